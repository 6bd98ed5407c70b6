// What operators look after, as one more service for the HTTP server: all routes under /v1/ops and their codes.
import type { Service } from '../../kernel/service.ts'
import type { Application } from '../application.ts'
import type { Rebuilds } from '../rebuild/rebuilds.ts'
import { rebuildCodes, rebuildRoutes } from '../rebuild/routes.ts'
import { letterCodes } from './letter-codes.ts'
import type { LetterDesk } from './letter-routes.ts'
import { letterRoutes } from './letter-routes.ts'
import { parkedRoutes } from './parked-routes.ts'

export const operationCodes = { ...rebuildCodes, ...letterCodes }

/** What operators may ask of the running application. */
export interface Operated extends LetterDesk {
  readonly rebuilds: Rebuilds
}

/** The application as the server serves it: its own services, and what operators do. */
export function withOperations(application: Application & Operated): Application {
  return {
    services: [...application.services, operationsService(application)],
    now: () => application.now(),
    newId: () => application.newId(),
    submit: (submission) => application.submit(submission),
    reader: (service) => application.reader(service),
    changed: (correlation, limitMs) => application.changed(correlation, limitMs),
    health: () => application.health(),
    lags: () => application.lags(),
  }
}

function operationsService(operated: Operated): Service {
  return {
    name: 'operations',
    summary: 'What operators look after: dead letters, parked keys, the rebuilds of projections.',
    codes: operationCodes,
    routes: [...letterRoutes(operated), ...parkedRoutes(operated), ...rebuildRoutes(operated.rebuilds)],
    topics: [],
    publishes: [],
    aggregates: [],
    entities: [],
    handlers: [],
    answers: [],
    sagas: [],
    projections: [],
    feeds: [],
    faults: {},
    parking: {},
  }
}
