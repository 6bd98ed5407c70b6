// What operators look after, as one more service for the HTTP server: all routes under /v1/ops and their codes.
import type { Service } from '../../kernel/service.ts'
import type { Application } from '../application.ts'
import { rebuildCodes, rebuildRoutes } from '../rebuild/routes.ts'
import type { Lonja } from '../runtime/lonja.ts'
import { scalingCodes, scalingRoutes } from '../scaling/routes.ts'
import { editRoutes } from './edit-routes.ts'
import { auditRoutes } from './audit-routes.ts'
import { kafkaCodes, kafkaRoutes } from './kafka-routes.ts'
import { letterCodes } from './letter-codes.ts'
import { letterRoutes } from './letter-routes.ts'
import { parkedRoutes } from './parked-routes.ts'
import { offsetRoutes } from './offset-routes.ts'
import { offsetCodes } from './offset-targets.ts'
import { redriveRoutes } from './redrive-routes.ts'
import { pauseRoutes } from './pause-routes.ts'
import { pauseCodes } from './pause-state.ts'
import { relayCodes } from '../kafka/relay-desk.ts'
import { relayRoutes } from './relay-routes.ts'
import { sagaCodes, sagaRoutes } from './saga-routes.ts'

/** Every code that the operator's routes refuse with. */
export const operationCodes = {
  ...rebuildCodes,
  ...letterCodes,
  ...sagaCodes,
  ...pauseCodes,
  ...offsetCodes,
  ...scalingCodes,
  ...relayCodes,
  ...kafkaCodes,
}

export interface OperationSettings {
  /** Whether a second person has to approve of an edit of a dead letter. */
  readonly editsNeedApproval: boolean
}

/** What the server serves: the services of this process, and the operator's routes as those of one more. */
export function withOperations(lonja: Lonja, settings: OperationSettings): Application {
  return {
    services: [...lonja.services, operationsOf(lonja, settings)],
    now: () => lonja.now(),
    newId: () => lonja.newId(),
    submit: (submission) => lonja.submit(submission),
    reader: (service) => lonja.reader(service),
    changed: (correlation, limitMs) => lonja.changed(correlation, limitMs),
    health: () => lonja.health(),
    lags: () => lonja.lags(),
  }
}

/** All routes of operators. */
export function operationsOf(lonja: Lonja, { editsNeedApproval }: OperationSettings): Service {
  const { editing, letterPlaces } = lonja
  return {
    name: 'operations',
    summary:
      'What operators look after: dead letters, parked keys, stuck sagas, groups, the audit, rebuilds of projections.',
    codes: operationCodes,
    routes: [
      ...letterRoutes(lonja),
      ...editRoutes({ editing, letterPlaces, editsNeedApproval }),
      ...parkedRoutes(lonja),
      ...redriveRoutes(lonja.redrives),
      ...sagaRoutes(lonja),
      ...pauseRoutes(lonja),
      ...scalingRoutes(lonja.scaling),
      ...relayRoutes(lonja.relayDesk),
      ...offsetRoutes(lonja),
      ...auditRoutes(lonja),
      ...kafkaRoutes(lonja),
      ...rebuildRoutes(lonja.rebuilds),
    ],
    topics: [],
    publishes: [],
    aggregates: [],
    entities: [],
    handlers: [],
    answers: [],
    sagas: [],
    projections: [],
    feeds: [],
    activeFeeds: [],
    faults: {},
    parking: {},
  }
}
