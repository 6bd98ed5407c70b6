// Everything that calls the alert webhook, put together: alarms of the runtime, and dead letters of every database.
import type { Clock, Membership, Store } from '../ports.ts'
import type { Observer } from '../runtime/observer.ts'
import type { Registry } from '../runtime/registry.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { AlarmQueue } from './alarm-queue.ts'
import type { SendAlert } from './alert-call.ts'
import { AlertRefused, alertCall } from './alert-call.ts'
import type { Alert } from './alert.ts'
import { DeadLetterWatch } from './dead-letter-watch.ts'

export interface AlertsOptions {
  /** Undefined: nobody wants to be told. */
  readonly url: string | undefined
  readonly secret: string | undefined
  readonly clock: Clock
  readonly telemetry: { readonly log: Logger; readonly metrics: Metrics }
}

export interface WatchedDatabase {
  readonly store: Store
  readonly membership: Membership
  readonly services: readonly string[]
}

export interface WatchedDatabases {
  readonly registry: Registry
  readonly databases: readonly WatchedDatabase[]
  /** Whether groups run in this process. */
  readonly works: boolean
}

export interface Alerts {
  /** The same observer, that also raises alarms; each costs an entry in a map. */
  observing(observer: Observer): Observer
  raise(alert: Alert): void
  /** Begins to look for dead letters; call it when the databases are ready. */
  start(databases: WatchedDatabases): void
  stop(): void
}

/** Opens the alerts; without an address they do nothing. Nothing here can fail or delay what raises an alarm. */
export function openAlerts(options: AlertsOptions): Alerts {
  const { url, secret, clock, telemetry } = options
  if (url === undefined) {
    return { observing: (observer) => observer, raise: () => undefined, start: () => undefined, stop: () => undefined }
  }
  const ending = new AbortController()
  const { send, failed, dropped } = toldOf(alertCall({ url, secret, clock, signal: ending.signal }), telemetry)
  const queue = new AlarmQueue({ clock, send, failed, dropped })
  const watches: DeadLetterWatch[] = []
  const raise = (alert: Alert) => queue.raise(alert)
  return {
    raise,
    observing: (observer) =>
      alarming(observer, { clock, raise, died: () => watches.forEach((each) => each.noticed()) }),
    start: (databases) => {
      watches.push(...watchesOf(databases, (one) => new DeadLetterWatch({ ...one, clock, send, failed })))
      for (const watch of watches) watch.start()
    },
    stop: () => {
      queue.stop()
      for (const watch of watches) watch.stop()
      ending.abort()
    },
  }
}

function toldOf(call: SendAlert, { log, metrics }: AlertsOptions['telemetry']) {
  return {
    send: async (alert: Alert): Promise<void> => {
      await call(alert)
      metrics.alerted(alert.what, 'sent')
      log.info('An alert was sent.', { part: alert.what, group: alert.group, code: alert.code, count: alert.count })
    },
    failed: (error: unknown, delayMs: number): void => {
      metrics.alerted('any', 'failed')
      const code = error instanceof AlertRefused ? error.code : undefined
      log.error('Alerts can not be sent; they are tried again.', { code, delayMs, error })
    },
    dropped: ({ what, group }: Alert): void => {
      metrics.alerted(what, 'dropped')
      log.error('An alert was dropped: too many wait for the webhook.', { part: what, group })
    },
  }
}

type WatchParts = Pick<ConstructorParameters<typeof DeadLetterWatch>[0], 'store' | 'marks' | 'isOurs'>

function watchesOf(
  { registry, databases, works }: WatchedDatabases,
  open: (parts: WatchParts) => DeadLetterWatch,
): DeadLetterWatch[] {
  if (!works) return []
  return databases.map(({ store, membership, services }) => {
    const marks = services.flatMap((service) => {
      const table = registry.tables.get(service)?.alertMarks
      return table === undefined ? [] : [[service, table] as const]
    })
    return open({ store, marks: new Map(marks), isOurs: () => isFirst(registry, membership) })
  })
}

/** One process of a database does what only one need do: the one that works on the first partition. */
export function isFirst({ schemas }: Registry, membership: Membership): boolean {
  const partitions = schemas.flatMap(({ topics }) => topics.map((topic) => topic.partitions))
  return membership.holds(Math.min(...partitions), 0)
}

interface Alarming {
  readonly clock: Clock
  readonly raise: (alert: Alert) => void
  readonly died: () => void
}

function alarming(observer: Observer, { clock, raise, died }: Alarming): Observer {
  const once = () => ({ count: 1, firstAt: clock.now(), lastAt: clock.now() })
  return {
    ...observer,
    dead(note) {
      observer.dead(note)
      died()
    },
    alarm(cursor, message, kind = 'stopped') {
      observer.alarm(cursor, message, kind)
      const { topic, partition } = cursor.channel
      raise({ what: kind, group: cursor.group.name, topic, partition, detail: message, ...once() })
    },
    breakerOpened(handler) {
      observer.breakerOpened(handler)
      raise({ what: 'handler-paused', group: handler.group, handler: handler.type, ...once() })
    },
  }
}
