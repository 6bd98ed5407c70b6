// The whole application put together: settings in; databases, services, adapters, HTTP server and telemetry out.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import metadata from '../package.json' with { type: 'json' }
import { topicNamed } from './kernel/message.ts'
import { type Service, withFeeds } from './kernel/service.ts'
import type { Clock } from './platform/ports.ts'
import { StoreRefused, StoreUnavailable } from './platform/ports.ts'
import { isFirst, openAlerts, type Alerts } from './platform/alerts/alerts.ts'
import { parseApiKeys, type ApiKey } from './platform/http/api-keys.ts'
import type { OpenKafka } from './platform/kafka/open-kafka.ts'
import { createServer, type Server, type Telemetry } from './platform/http/server.ts'
import { withOperations } from './platform/operations/service.ts'
import { DeadLetterArchive } from './platform/parking/dead-letter-archive.ts'
import type { ParkedCounts } from './platform/parking/parking.ts'
import { Retention } from './platform/retention/retention.ts'
import { countOpenEffects } from './platform/runtime/count-effects.ts'
import { externalMessages } from './platform/runtime/external-messages.ts'
import { type Database, Lonja } from './platform/runtime/lonja.ts'
import type { Settings } from './platform/settings.ts'
import { IN_MEMORY, openDatabases, type OpenDatabases } from './platform/store/open-databases.ts'
import { systemClock, systemRandom } from './platform/system.ts'
import { startWatchdog, type Watchdog } from './platform/takeover/watchdog.ts'
import { countCompensations } from './platform/telemetry/count-compensations.ts'
import { createLogger, type Logger } from './platform/telemetry/logger.ts'
import { createMetrics, type Metrics } from './platform/telemetry/metrics.ts'
import { observeRuntime } from './platform/telemetry/observe-runtime.ts'
import { openTracing, type Tracing } from './platform/telemetry/tracing.ts'
import { services as allServices } from './services.ts'
import { messengersOf } from './services/notifications/adapters/messengers-of.ts'
import { CHECKOUT_LIMITS } from './services/orders/checkout.saga.ts'
import { orders, ordersWith } from './services/orders/service.ts'
import { simulatedGateway } from './services/payments/adapters/simulator.ts'
import { simulatedCarrier } from './services/shipping/adapters/simulator.ts'

export interface App {
  /** Such as `http://127.0.0.1:8080`. */
  readonly address: string
  readonly application: Lonja
  readonly log: Logger
  /** Steps that sagas undid since the start. */
  readonly compensations: () => number
  /** Answers what runs and leaves in order; calling it twice does no harm. */
  stop(): Promise<void>
}

export interface AppOptions {
  /** Starts with empty SQLite files. */
  readonly afresh?: boolean
  /** Ends the waiting for a database. */
  readonly signal?: AbortSignal
  /** Told every few seconds why the start waits. */
  readonly waiting?: (reason: string) => void
  readonly log?: Logger
}

/** A database that can't be reached at the start is waited for; looking more often than this helps nobody. */
const STORE_LOOK_AGAIN_MS = 500
const SAY_SO_EVERY_MS = 3000
/** Kept of the stop limit for what follows the last call: its answer's commit, and giving the partitions back. */
const LEAVING_MS = 1000

/**
 * Starts everything that the settings ask for.
 *
 * @throws with a sentence for people: port taken, file in use, database of a newer program, keys that can't be read.
 */
export async function startApp(settings: Settings, options: AppOptions = {}): Promise<App> {
  const log = options.log ?? createLogger({ level: settings.logLevel, format: settings.logFormat })
  const metrics = createMetrics()
  const apiKeys = keysOf(settings)
  const tracing = await tracingOf(settings)
  const telemetry = { log, metrics, tracing }
  const started = await untilStarted({ settings, options, ...telemetry })
  const stopTraced = async (limitMs: number): Promise<void> => {
    await started.stop(limitMs)
    await tracing?.stop()
  }
  const running = { ...started, stop: stopTraced }
  try {
    const server = await serve(running.application, { settings, apiKeys, telemetry })
    const address = await server.listen()
    const { application, compensations } = running
    return { address, application, log, compensations, stop: once(() => stop(server, running, settings)) }
  } catch (error) {
    await running.stop(0)
    throw error
  }
}

function tracingOf({ traceUrl, traceShare }: Settings): Promise<Tracing> | undefined {
  if (traceUrl === undefined) return undefined
  return openTracing({ endpoint: traceUrl, share: traceShare, version: metadata.version })
}

/** The services with the limits and the feeds that the settings give them. */
export function servicesWith({
  manualPaymentLimitMs,
  feeds,
}: Pick<Settings, 'manualPaymentLimitMs' | 'feeds'>): readonly Service[] {
  const limits = { ...CHECKOUT_LIMITS, manualPay: `${manualPaymentLimitMs} ms` as const }
  return allServices.map((service) => withFeeds(service === orders ? ordersWith(limits) : service, feeds))
}

/** The names of those that run in this process. */
export function chosenOf({ services }: Pick<Settings, 'services'>): readonly string[] {
  return services === 'all' ? allServices.map(({ name }) => name) : services
}

/** The counts of partitions that the topics of the services have. */
export function partitionCountsOf(services: readonly Service[]): readonly number[] {
  const own = services.flatMap(({ topics }) => topics.map(({ name }) => name))
  const counts = [...own, ...externalMessages(services).keys()].map((name) => topicNamed(name).partitions)
  return [...new Set(counts)].toSorted((one, other) => one - other)
}

function keysOf({ apiKeys, apiKeysFile }: Settings): readonly ApiKey[] {
  return parseApiKeys(`${apiKeys}
${apiKeysFile === undefined ? '' : keysFile(apiKeysFile)}`)
}

function keysFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`The file of API keys ${path} can't be read: ${(error as Error).message}.`, { cause: error })
  }
}

interface Running {
  readonly application: Lonja
  readonly compensations: () => number
  /** @param limitMs how long it may take */
  stop(limitMs: number): Promise<void>
}

interface Start {
  readonly settings: Settings
  readonly options: AppOptions
  readonly log: Logger
  readonly metrics: Metrics
  readonly tracing: Tracing | undefined
}

/** A database that is not there yet is waited for, for ever: whoever starts both at once need not order them. */
async function untilStarted(start: Start): Promise<Running> {
  const { signal, waiting = () => undefined } = start.options
  let saidAtMs = -Infinity
  for (;;) {
    try {
      return await run(start)
    } catch (error) {
      if (!mayComeBack(error, start.settings)) throw error
      signal?.throwIfAborted()
      if (performance.now() - saidAtMs >= SAY_SO_EVERY_MS) {
        saidAtMs = performance.now()
        waiting(error.message)
      }
    }
    await new Promise<void>((resolve) => void setTimeout(resolve, STORE_LOOK_AGAIN_MS))
    signal?.throwIfAborted()
  }
}

/** A wrong password, or a file that can't be opened, does not mend itself while one waits. */
function mayComeBack(error: unknown, { store, storeByService }: Settings): error is StoreUnavailable {
  if (!(error instanceof StoreUnavailable) || error instanceof StoreRefused) return false
  return [store, ...Object.values(storeByService)].some(({ kind }) => kind === 'postgres')
}

async function run({ settings, options, log, metrics, tracing }: Start): Promise<Running> {
  const services = servicesWith(settings)
  const works = settings.roles.includes('worker')
  const chosen = chosenOf(settings)
  // Its client takes 0.4 s and 70 MB to load, which a server without Kafka does not pay.
  const loaded = settings.brokers === undefined ? undefined : await import('./platform/kafka/open-kafka.ts')
  const kafka = await loaded?.openKafka({ settings, services, chosen, clock: systemClock, log, metrics })
  const opened = await openStores({ settings, options, log }, services)
  const { adapters, stopAdapters } = await adaptersOf(settings, systemClock)
  const store = [...new Set(opened.databases.map(({ store: { dialect } }) => dialect))].join('+')
  const { alertUrl: url, alertSecret: secret } = settings
  const alerts = openAlerts({ url, secret, clock: systemClock, telemetry: { log, metrics } })
  const observed = alerts.observing(observeRuntime(store, { log, metrics }))
  const told = kafka?.observing(observed) ?? observed
  const { observer, count } = countCompensations(tracing?.observing(told) ?? told, services)
  kafka?.join(opened.databases)
  const application = new Lonja({
    ...(kafka && { relays: kafka, logOf: kafka.logOf }),
    services,
    chosen,
    works,
    adapters,
    observer,
    databases: opened.databases,
    clock: systemClock,
    random: systemRandom,
    batchWaitMs: settings.batchWaitMs,
  })
  const caretakers = caretakersOf({ settings, log, metrics }, { application, opened, alerts, kafka })
  let watchdog: Watchdog | undefined
  const stopAll = once(async (limitMs: number) => {
    alerts.stop()
    await caretakers.stop()
    await application.stop(Math.max(0, limitMs - LEAVING_MS))
    await kafka?.stop()
    await watchdog?.stop()
    stopAdapters()
    await opened.close()
  })
  try {
    watchdog = watchdogOf(application, settings)
    await application.start()
    await kafka?.start({
      registry: application.registry,
      runtimes: application.runtimes,
      newId: () => application.newId(),
      noticed: (sources) => application.noticed(sources),
    })
  } catch (error) {
    await stopAll(0).catch(() => undefined)
    throw error
  }
  alerts.start({ registry: application.registry, databases: hosting(opened, chosen), works })
  caretakers.start()
  watch(metrics, application, opened)
  kafka?.lookAt(metrics, () => application.lags())
  return { application, compensations: count, stop: stopAll }
}

function openStores(
  { settings, options, log }: Pick<Start, 'settings' | 'options' | 'log'>,
  services: readonly Service[],
): Promise<OpenDatabases> {
  return openDatabases({
    settings,
    services: services.map(({ name }) => name),
    chosen: chosenOf(settings),
    works: settings.roles.includes('worker'),
    isAlone: settings.brokers === undefined,
    partitionCounts: partitionCountsOf(services),
    clock: systemClock,
    onIncarnation: (service) =>
      log.error('A database is another one than before or went back in time; its log goes on under a new number.', {
        service,
      }),
    afresh: options.afresh === true,
  })
}

interface Opened {
  readonly application: Lonja
  readonly opened: OpenDatabases
  readonly alerts: Alerts
  readonly kafka: OpenKafka | undefined
}

/** What one process of each database looks after once an hour: old dead letters, and what is past its time. */
function caretakersOf(
  { settings, log, metrics }: Omit<Start, 'options' | 'tracing'>,
  { application, opened, alerts, kafka }: Opened,
) {
  const { registry } = application
  const shared = {
    registry,
    databases: hosting(opened, chosenOf(settings)),
    clock: systemClock,
    isOurs: ({ membership }: Database) => settings.roles.includes('worker') && isFirst(registry, membership),
    telemetry: { log, metrics },
  }
  const archive = new DeadLetterArchive({
    ...shared,
    newId: () => application.newId(),
    retentionMs: settings.deadLetterRetentionMs,
    folder: deadLetterFolderOf(settings),
    raise: (alert) => alerts.raise(alert),
  })
  const retention = new Retention({
    ...shared,
    storeOf: (service) => (application.isHere(service) ? application.storeOf(service) : undefined),
    alsoNeeded: kafka === undefined ? [] : [() => kafka.readNeeds()],
    backupWindowMs: settings.logBackupWindowMs,
  })
  metrics.lookAt({ oldestRecordSeconds: () => retention.oldestSeconds() })
  const each = [archive, retention]
  return {
    start: (): void => each.forEach((one) => one.start()),
    stop: async (): Promise<void> => void (await Promise.all(each.map((one) => one.stop()))),
  }
}

/** Each database with those of its services that run here: whoever runs the others looks after them. */
function hosting({ databases }: OpenDatabases, chosen: readonly string[]): OpenDatabases['databases'] {
  return databases.map(({ services, ...database }) => {
    return { ...database, services: services.filter((name) => chosen.includes(name)) }
  })
}

/** Beside the database where that is a file: whoever backs one up finds the other. */
export function deadLetterFolderOf({ deadLetterFolder, store }: Pick<Settings, 'deadLetterFolder' | 'store'>): string {
  const isFile = store.kind === 'sqlite' && store.path !== IN_MEMORY
  return deadLetterFolder ?? join(isFile ? dirname(store.path) : 'var', 'dead-letters')
}

/** A process that only answers HTTP has handlers in hand too: those of its callers' commands. */
function watchdogOf(application: Lonja, settings: Settings): Watchdog | undefined {
  const { handlerLimitMs: limitMs, logLevel, logFormat, store, storeByService } = settings
  if (limitMs === 0) return undefined
  return startWatchdog(application, {
    limitMs,
    addressOf: (service) => storeByService[service] ?? store,
    logLevel,
    logFormat,
  })
}

/** The outside systems: simulators unless the settings name real ones. */
async function adaptersOf(settings: Settings, clock: Clock) {
  const { paymentDeclineOneIn, paymentLoseAnswerOneIn } = settings
  const gateway = simulatedGateway({
    clock,
    declineOneIn: paymentDeclineOneIn,
    loseAnswerOneIn: paymentLoseAnswerOneIn,
  })
  const carrier = simulatedCarrier({ clock })
  const messengers = await messengersOf({ ...settings, clock, random: () => systemRandom.fraction() })
  const stopAdapters = (): void => {
    gateway.stop()
    carrier.stop()
    messengers.stop()
  }
  const { mailer, texter, webhooks } = messengers
  return { adapters: { gateway, carrier, mailer, texter, webhooks }, stopAdapters }
}

function watch(metrics: Metrics, application: Lonja, { databases }: OpenDatabases): void {
  metrics.lookAt({
    lags: () => application.lags(),
    statements: () => {
      const sent: Record<string, number> = {}
      for (const { store } of databases) sent[store.dialect] = (sent[store.dialect] ?? 0) + store.statements()
      return sent
    },
    openEffects: () => countOpenEffects(application),
    parkedKeys: async () => byGroup(application, ({ keys }) => keys),
    parkedMessages: async () => byGroup(application, ({ messages }) => messages),
    oldestSnapshotSeconds: () => oldestSnapshots(databases),
  })
}

/** Zero is told as well: an alarm on a series that is not there never ends. */
function byGroup(application: Lonja, valueOf: (counts: ParkedCounts) => number): Readonly<Record<string, number>> {
  return Object.fromEntries(application.registry.groups.map(({ name }) => [name, valueOf(application.parked(name))]))
}

/** SQLite's one writer waits for nobody's snapshot; on PostgreSQL an old one keeps dead rows of the heads alive. */
async function oldestSnapshots(databases: OpenDatabases['databases']): Promise<Readonly<Record<string, number>>> {
  const postgres = databases.filter(({ store }) => store.dialect === 'postgres')
  const ages = await Promise.all(
    postgres.map(({ store }) => store.query<{ readonly seconds: number }>(OLDEST_SNAPSHOT)),
  )
  return Object.fromEntries(ages.flatMap(([row]) => (row === undefined ? [] : [['postgres', row.seconds]])))
}

const OLDEST_SNAPSHOT = `SELECT coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8 AS seconds
  FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()`

interface ServerNeeds {
  readonly settings: Settings
  readonly apiKeys: readonly ApiKey[]
  readonly telemetry: Telemetry
}

function serve(application: Lonja, { settings, apiKeys, telemetry }: ServerNeeds): Promise<Server> {
  const { host, port, corsOrigins, stopLimitMs, roles } = settings
  return createServer({
    application: withOperations(application, settings),
    settings: { host, port, corsOrigins, stopLimitMs, apiKeys, servesApi: roles.includes('api') },
    telemetry,
  })
}

/**
 * Callers first, so that none is cut off by what its request needs; then the calls to the outside that are under way.
 * What hangs is left behind at the limit.
 */
async function stop(server: Server, running: Running, { stopLimitMs }: Settings): Promise<void> {
  const { promise: limit, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, stopLimitMs)
  const until = performance.now() + stopLimitMs
  try {
    await Promise.race([server.close().then(() => running.stop(until - performance.now())), limit])
  } finally {
    clearTimeout(timer)
  }
}

function once<Asked extends readonly unknown[]>(work: (...asked: Asked) => Promise<void>) {
  let done: Promise<void> | undefined
  return (...asked: Asked): Promise<void> => (done ??= work(...asked))
}
