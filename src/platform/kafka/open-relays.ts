// From settings to relays: which databases ship their logs, to which Kafka, and what stands against it.
import { topicNamed } from '../../kernel/message.ts'
import type { Service } from '../../kernel/service.ts'
import type { Clock } from '../ports.ts'
import { StoreRefused } from '../ports.ts'
import type { Database } from '../runtime/lonja.ts'
import type { Settings } from '../settings.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { checkKafka, KafkaUnavailable } from './check-kafka.ts'
import { kafkaAddressOf } from './kafka-settings.ts'
import { Relays } from './relays.ts'

export interface OpenRelaysOptions {
  readonly settings: Settings
  readonly services: readonly Service[]
  readonly databases: readonly Database[]
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

/**
 * Undefined where the settings name no Kafka, or another process works here. One that can't be reached now is no reason
 * not to start: what is appended waits in the database.
 *
 * @throws {KafkaRefused} {StoreRefused} where something has to be mended first.
 */
export async function openRelays(options: OpenRelaysOptions): Promise<Relays | undefined> {
  const { settings, services, databases, log } = options
  const address = kafkaAddressOf(settings)
  if (address === undefined) return undefined
  const places = databases.map(({ services: names }) => {
    const store = settings.storeByService[names[0] ?? ''] ?? settings.store
    if (store.kind === 'postgres') return { url: store.url, services: names }
    throw new StoreRefused('Kafka needs PostgreSQL: name one with --store postgres://…, or leave --log away.')
  })
  await checkKafka(
    address,
    services.flatMap(({ topics }) => topics.map(({ name }) => topicNamed(name))),
  ).catch((error: unknown) => {
    if (!(error instanceof KafkaUnavailable)) throw error
    log.warn(`${error.message} Until it is there, what is appended waits in the database.`)
  })
  if (!settings.roles.includes('worker')) return undefined
  return new Relays({ ...options, address, databases: places, backlogLimit: settings.relayBacklogLimit })
}
