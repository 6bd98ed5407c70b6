// A process of one version of the shop on PostgreSQL and Kafka, for tests in which two versions run at once.
import { partitionCountsOf } from '../../app.ts'
import type { Service } from '../../kernel/service.ts'
import { createServer } from '../../platform/http/server.ts'
import { openKafka, type OpenKafka } from '../../platform/kafka/open-kafka.ts'
import { withOperations } from '../../platform/operations/service.ts'
import { Lonja } from '../../platform/runtime/lonja.ts'
import { resolveSettings } from '../../platform/settings.ts'
import { openDatabases, type OpenDatabases } from '../../platform/store/open-databases.ts'
import { systemClock, systemRandom } from '../../platform/system.ts'
import { createLogger } from '../../platform/telemetry/logger.ts'
import { createMetrics } from '../../platform/telemetry/metrics.ts'
import { observeRuntime } from '../../platform/telemetry/observe-runtime.ts'
import type { Outside } from '../shop.ts'
import { callerOver, inMemory, roleKeys } from '../shop-calls.ts'
import { shopHelpers } from '../shop-helpers.ts'

export interface VersionPlan {
  /** All that this version has; `--services` says which of them run in the process. */
  readonly services: readonly Service[]
  /** As of `lonja serve`. Without `--log` there is no Kafka, and all databases are opened. */
  readonly flags: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Payment provider, carrier and mail server: they outlive the process. */
  readonly outside: Outside
}

export type VersionProcess = Awaited<ReturnType<typeof startVersion>>

const STOP_LIMIT_MS = 5000

/** Starts it as the program does; warnings and errors that it logs are in `told`. */
export async function startVersion({ services, flags, environment, outside }: VersionPlan) {
  const { settings } = resolveSettings(flags, environment)
  const names = services.map(({ name }) => name)
  const chosen = settings.services === 'all' ? names : settings.services
  const works = settings.roles.includes('worker')
  const told: string[] = []
  const destination = { write: (line: string) => void told.push(line) }
  const telemetry = { log: createLogger({ level: 'warn', format: 'json', destination }), metrics: createMetrics() }
  const kafka = await openKafka({ settings, services, chosen, clock: systemClock, ...telemetry })
  const opened = await openDatabases({
    settings,
    services: names,
    chosen,
    works,
    isAlone: kafka === undefined,
    partitionCounts: partitionCountsOf(services),
    clock: systemClock,
    onIncarnation: (service) => telemetry.log.error('A database is another one than before.', { service }),
  })
  kafka?.join(opened.databases)
  const observer = observeRuntime('the shop', telemetry)
  const lonja = new Lonja({
    ...(kafka && { relays: kafka, logOf: kafka.logOf }),
    services,
    chosen,
    works,
    adapters: { ...outside },
    observer: kafka?.observing(observer) ?? observer,
    databases: opened.databases,
    clock: systemClock,
    random: systemRandom,
  })
  await begin(lonja, kafka)
  const limits = { corsOrigins: [], stopLimitMs: STOP_LIMIT_MS, checkAnswers: true }
  const server = await createServer({
    application: withOperations(lonja, settings),
    settings: { host: '127.0.0.1', port: 0, apiKeys: roleKeys, ...limits },
    telemetry,
  })
  const stop = async (): Promise<void> => {
    await server.close()
    await lonja.stop(STOP_LIMIT_MS)
    await kafka?.stop()
    await opened.close()
  }
  const send = inMemory(server.inject)
  return {
    ...shopHelpers((role) => callerOver(send, role)),
    lonja,
    told,
    /** How many partitions of each commands topic are worked on here. */
    share: () => shareOf(opened),
    stop,
  }
}

async function begin(lonja: Lonja, kafka: OpenKafka | undefined): Promise<void> {
  await lonja.start()
  await kafka?.start({
    registry: lonja.registry,
    runtimes: lonja.runtimes,
    newId: () => lonja.newId(),
    noticed: (sources) => lonja.noticed(sources),
  })
}

/** Every topic but the platform's has six. */
export const PARTITIONS = 6

function shareOf({ databases }: OpenDatabases): number {
  const numbers = Array.from({ length: PARTITIONS }, (_, partition) => partition)
  return databases.reduce((sum, { membership }) => {
    return sum + numbers.filter((partition) => membership.holds(PARTITIONS, partition)).length
  }, 0)
}
