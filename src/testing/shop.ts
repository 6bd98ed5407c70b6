// The whole shop for a test: every service embedded behind the real HTTP server, on a clock that the test moves.
import assert from 'node:assert/strict'
import type { DeadPolicy } from '../kernel/parking.ts'
import type { Role } from '../kernel/route.ts'
import { topicNamed } from '../kernel/message.ts'
import { type Service, withFeeds } from '../kernel/service.ts'
import type { Application, Submission } from '../platform/application.ts'
import { createServer } from '../platform/http/server.ts'
import { withOperations } from '../platform/operations/service.ts'
import type { Clock, Membership, Store } from '../platform/ports.ts'
import type { Database } from '../platform/runtime/lonja.ts'
import { Lonja } from '../platform/runtime/lonja.ts'
import { membershipAlone } from '../platform/store/membership-alone.ts'
import { postgresMembership } from '../platform/store/postgres-membership.ts'
import { openPostgres } from '../platform/store/postgres.ts'
import { openSqlite } from '../platform/store/sqlite.ts'
import { systemRandom } from '../platform/system.ts'
import { countCompensations } from '../platform/telemetry/count-compensations.ts'
import { createLogger } from '../platform/telemetry/logger.ts'
import { createMetrics } from '../platform/telemetry/metrics.ts'
import { observeRuntime } from '../platform/telemetry/observe-runtime.ts'
import { services as allServices } from '../services.ts'
import type { Mailer } from '../services/notifications/adapters/mailer.ts'
import type {
  TextMessage,
  Texter,
  WebhookCaller,
  WebhookMessage,
} from '../services/notifications/adapters/messengers.ts'
import type { MailSink, MessageSink } from '../services/notifications/adapters/sink.ts'
import { mailSink, messageSink } from '../services/notifications/adapters/sink.ts'
import type { CheckoutLimits } from '../services/orders/checkout.saga.ts'
import { CHECKOUT_LIMITS } from '../services/orders/checkout.saga.ts'
import { orders, ordersWith } from '../services/orders/service.ts'
import type { PaymentGateway } from '../services/payments/adapters/gateway.ts'
import type { SimulatedGateway } from '../services/payments/adapters/simulator.ts'
import { simulatedGateway } from '../services/payments/adapters/simulator.ts'
import type { Carrier } from '../services/shipping/adapters/carrier.ts'
import type { SimulatedCarrier } from '../services/shipping/adapters/simulator.ts'
import { simulatedCarrier } from '../services/shipping/adapters/simulator.ts'
import type { Caller } from './shop-calls.ts'
import { callerOver, inMemory, overFetch, roleKeys } from './shop-calls.ts'
import { shopHelpers } from './shop-helpers.ts'
import { assertSound } from './shop-invariants.ts'
import type { WatchedClock } from './watched-clock.ts'
import { watchClock } from './watched-clock.ts'
import type { VirtualClock } from './virtual-clock.ts'
import { createVirtualClock } from './virtual-clock.ts'
import { waitFor } from './wait-for.ts'

/** Other people's systems, as the shop knows them. */
export interface Outside {
  readonly gateway: SimulatedGateway
  readonly carrier: SimulatedCarrier
  readonly mailer: MailSink
  readonly texter: MessageSink<TextMessage>
  readonly webhooks: MessageSink<WebhookMessage>
}

/** Stands between the shop and the simulators. */
type Between = (outside: Outside) => {
  readonly gateway?: PaymentGateway
  readonly carrier?: Carrier
  readonly mailer?: Mailer
  readonly texter?: Texter
  readonly webhooks?: WebhookCaller
}

export interface ShopOptions {
  /** Virtual unless given. */
  readonly clock?: Clock | VirtualClock
  /** A database in memory unless given; a store stays open when the shop stops, an address of PostgreSQL is closed. */
  readonly store?: Store | string
  /** Services that have a database of their own. */
  readonly stores?: Readonly<Record<string, Store>>
  readonly membership?: Membership
  /** Shared with another shop, or with the one before a restart. */
  readonly outside?: Outside
  readonly adapters?: Between
  readonly limits?: Partial<CheckoutLimits>
  /** Feeds that are on. */
  readonly feeds?: readonly string[]
  /** Those of another version of the shop. */
  readonly services?: readonly Service[]
  /** Throws where a test wants a handler of this message to fail. */
  readonly trouble?: Trouble
  /** What becomes of a key whose message is dead, in services that say nothing of their own; they hold it. */
  readonly whenDead?: DeadPolicy
  readonly mailFailureRate?: number
  /** Documents frozen, records handed on as they are stored; on unless told. */
  readonly strict?: boolean
  /** Over a real port with `fetch`, instead of in memory. */
  readonly listens?: boolean
}

/** Throws for the messages that shall fail. */
type Trouble = (type: string, data: unknown) => void

export type Shop = Awaited<ReturnType<typeof startShop>>

const STOP_LIMIT_MS = 5000
/** What a wait may still have armed when its request was answered; it comes due, finds nobody and is gone. */
const LAST_ALARMS_MS = 1000
const CALM_TURNS = 5
/** The other end of a socket needs a moment to go. */
const GONE_WITHIN_MS = 2000

/** Starts the shop. Its faults and its leaks come out in `stop`. */
export async function startShop(options: ShopOptions = {}) {
  // Sockets belong to the process: shops that share the outside are looked at together, when the first of them stops.
  const socketsBefore = options.outside === undefined ? openSockets() : Number.POSITIVE_INFINITY
  const watched = watchClock(options.clock ?? createVirtualClock())
  const { clock } = watched
  const outside = options.outside ?? openOutside(clock, options.mailFailureRate)
  const { databases, close } = await openDatabases(options)
  const complaints: string[] = []
  const { lonja, telemetry, compensations } = assemble(options, { clock, outside, databases, complaints })
  telemetry.metrics.lookAt({ lags: () => lonja.lags() })
  await lonja.start()
  const submissions = { count: 0 }
  const server = await createServer({
    application: counted(lonja, submissions),
    settings: {
      host: '127.0.0.1',
      port: 0,
      corsOrigins: [],
      apiKeys: roleKeys,
      stopLimitMs: STOP_LIMIT_MS,
      checkAnswers: true,
    },
    telemetry,
  })
  const url = options.listens === true ? await server.listen() : undefined
  const send = url === undefined ? inMemory(server.inject) : overFetch(url)
  const idle = () => untilIdle(lonja, watched)
  const advance = (byMs: number) => advanced(clock, byMs, idle)
  const as = (role: Role | undefined): Caller => callerOver(send, role)
  return {
    ...shopHelpers(as),
    ...outside,
    outside,
    lonja,
    clock,
    url,
    as,
    idle,
    advance,
    compensations,
    /** What was logged as an error. */
    complaints,
    mails: () => outside.mailer.mails(),
    /** The partitions that are worked on here. */
    held: () => heldHere(lonja),
    /** How many commands came in over HTTP. */
    submissions: () => submissions.count,
    /** Moves the time on while a request waits, and gives what it was answered. */
    during: async <Result>(byMs: number, work: Promise<Result>): Promise<Result> => {
      work.catch(() => undefined)
      await advance(byMs)
      return work
    },
    /** Whatever comes in meanwhile waits, and is one batch then. */
    inOneBatch: watched.holdingBatches,
    /** Moves nothing any more and leaves nothing behind, or says what it did. */
    stop: async (callsWithinMs = 0) => {
      await server.close()
      await lonja.stop(callsWithinMs)
      if (options.outside === undefined) {
        outside.gateway.stop()
        outside.carrier.stop()
      }
      await close()
      await assertNothingLeft({ watched, socketsBefore, complaints })
    },
  }
}

export interface Flow extends ShopOptions {
  /** Errors in the log belong to the story. */
  readonly mayComplain?: boolean
}

/** A test in a shop of its own: afterwards its books must add up, its sagas be over, and nothing may be left. */
export function inShop(body: (shop: Shop) => Promise<void>, { mayComplain = false, ...options }: Flow = {}) {
  return async (): Promise<void> => {
    const shop = await startShop(options)
    try {
      await body(shop)
      await shop.idle()
      if (mayComplain) shop.complaints.splice(0)
      await assertSound(shop)
    } catch (error) {
      await shop.stop().catch(() => undefined)
      throw error
    }
    await shop.stop()
  }
}

/** @param failureRate how many of the tries to send a mail fail, from 0 to 1 */
export function openOutside(clock: Clock, failureRate = 0): Outside {
  const gateway = simulatedGateway({ clock })
  const carrier = simulatedCarrier({ clock })
  const mailer = mailSink({ failureRate, random: () => systemRandom.fraction() })
  return { gateway, carrier, mailer, texter: messageSink(), webhooks: messageSink() }
}

async function openDatabases({ store, stores = {}, membership, services: known = allServices }: ShopOptions) {
  const isUrl = typeof store === 'string'
  const main = isUrl ? await openPostgres({ url: store }) : (store ?? openSqlite({ path: ':memory:' }))
  const names = known.map(({ name }) => name)
  // The address names a server that others may share; everything else is this shop's alone.
  const members = membership ?? (isUrl ? postgresMembership({ url: store, partitionCounts }) : membershipAlone())
  const databases: Database[] = [
    { store: main, membership: members, services: names.filter((name) => stores[name] === undefined) },
    ...Object.entries(stores).map(([name, own]) => ({ store: own, membership: membershipAlone(), services: [name] })),
  ]
  return { databases, close: async () => (store === undefined || isUrl ? main.close() : undefined) }
}

/** The counts of partitions that the topics of the shop have. */
export const partitionCounts = [
  ...new Set(allServices.flatMap(({ topics }) => topics.map(({ name }) => topicNamed(name).partitions))),
]

interface Parts {
  readonly clock: Clock
  readonly outside: Outside
  readonly databases: readonly Database[]
  readonly complaints: string[]
}

function assemble(options: ShopOptions, { clock, outside, databases, complaints }: Parts) {
  const services = (options.services ?? allServices).map((each): Service => {
    const fed = (service: Service): Service => withFeeds(service, options.feeds ?? [])
    return each === orders && options.limits !== undefined
      ? fed(ordersWith({ ...CHECKOUT_LIMITS, ...options.limits }))
      : fed(troubled(withPolicy(each, options.whenDead), options.trouble))
  })
  const metrics = createMetrics()
  const log = createLogger({
    level: 'error',
    format: 'json',
    destination: { write: (line) => void complaints.push(line) },
  })
  const telemetry = { log, metrics }
  const { observer, count } = countCompensations(observeRuntime('the shop', telemetry), services)
  const lonja = new Lonja({
    services,
    chosen: services.map(({ name }) => name),
    databases,
    works: true,
    adapters: { ...outside, ...options.adapters?.(outside) },
    clock,
    random: systemRandom,
    observer,
    strict: options.strict ?? true,
  })
  return { lonja, telemetry, compensations: count }
}

function withPolicy(service: Service, whenDead: DeadPolicy | undefined): Service {
  return whenDead === undefined ? service : { ...service, parking: { whenDead, ...service.parking } }
}

/**
 * Every handler of the service fails where the trouble throws, after all that it did: none of it may stay. The saga's
 * own and aggregates do not.
 */
function troubled(service: Service, trouble: Trouble | undefined): Service {
  if (trouble === undefined) return service
  const handlers = service.handlers.map((handler): Service['handlers'][number] => ({
    ...handler,
    handle: (data, held, context) => {
      const says = handler.handle(data, held, context)
      trouble(handler.message.type, data)
      return says
    },
  }))
  return { ...service, handlers }
}

/** The application as the server sees it, with its commands counted. */
function counted(lonja: Lonja, submissions: { count: number }): Application {
  return {
    ...withOperations(lonja, { editsNeedApproval: false }),
    submit: (submission: Submission) => {
      submissions.count += 1
      return lonja.submit(submission)
    },
  }
}

function heldHere({ runtimes }: Lonja): readonly number[] {
  return runtimes.flatMap(({ options: { membership } }) =>
    partitionCounts.flatMap((count) =>
      Array.from({ length: count }, (_, partition) => partition).filter((each) => membership.holds(count, each)),
    ),
  )
}

/** Everything that can happen now has happened; what waits for its time waits. */
async function untilIdle({ runtimes }: Lonja, { armed }: WatchedClock): Promise<void> {
  // Whatever waits for a database that is away is looked at again at its time.
  const waitsForStore = () => !armed().includes(0)

  // Several turns in a row: a request needs some to be read, a promise of an adapter one, its commit another.
  for (let calm = 0; calm < CALM_TURNS; calm += 1) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    const isCalm = runtimes.every((each) => each.isIdle() || (each.storeError !== undefined && waitsForStore()))
    if (!isCalm) calm = -1
  }
}

function advanced(clock: Clock | VirtualClock, byMs: number, idle: () => Promise<void>): Promise<void> {
  if (!('advance' in clock)) return assert.fail('only a virtual clock can be moved: wait for a fact instead')
  return clock.advance(byMs, idle)
}

interface Leftovers {
  readonly watched: WatchedClock
  readonly socketsBefore: number
  readonly complaints: readonly string[]
}

async function assertNothingLeft({ watched, socketsBefore, complaints }: Leftovers): Promise<void> {
  assert.deepEqual(complaints, [], 'the shop logged errors')
  const { clock } = watched
  if ('advance' in clock) await clock.advance(LAST_ALARMS_MS, async () => undefined)
  await waitFor(() => watched.armed().length === 0 && openSockets() <= socketsBefore, {
    withinMs: GONE_WITHIN_MS,
    what: `the shop leaves nothing behind (timers of ${watched.armed().join(', ')} ms, ${openSockets()} sockets)`,
  })
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap' || name === 'TCPServerWrap').length
}
