// What a simulated process does with Kafka: the shipped relay and the shipped reader, put together as the program does.
import { KafkaLog } from '../../../src/platform/kafka/kafka-log.ts'
import { Relay } from '../../../src/platform/kafka/relay.ts'
import { RelayStore } from '../../../src/platform/kafka/relay-store.ts'
import { topicsOf } from '../../../src/platform/kafka/rights.ts'
import type { Clock, Log, Membership } from '../../../src/platform/ports.ts'
import type { Lonja } from '../../../src/platform/runtime/lonja.ts'
import type { Leases } from '../leases.ts'
import type { NodeKafka } from '../node.ts'
import type { Gate, NodeLife } from '../ports.ts'
import type { World } from '../world.ts'
import type { Broker } from './broker.ts'
import { ModelFetcher } from './fetcher.ts'
import type { KafkaMutant } from './kafka-mutant.ts'
import type { KafkaPlace } from './place.ts'
import { openProducer } from './producer.ts'
import { relayAnswers } from './relay-answers.ts'

/** The relay's lease, by its name among leases. */
export const RELAY_LEASE = '1/0'
/** The relay looks, and tells where its logs end, this often though nothing happens. */
const POLL_MS = 1000
const WRITE_POSITIONS_MS = 2000

export interface KafkaNodeOptions {
  readonly place: KafkaPlace
  readonly broker: Broker
  readonly gate: Gate
  readonly world: World
  readonly life: NodeLife
  /** Of the partitions of this process's database. */
  readonly membership: Membership
  /** Of the relays of its database. */
  readonly relays: Leases
  readonly rowsAPartition: number
  readonly capRecords: number
  readonly mutant: KafkaMutant
}

const ADDRESS = { brokers: [], clientId: 'simulated' }
const NOTHING_YET: Log = { isElsewhere: true, heads: async () => [], readLog: async () => [] }

export class KafkaNode implements NodeKafka {
  readonly #options: KafkaNodeOptions
  #relay: Relay | undefined
  #log: KafkaLog | undefined

  constructor(options: KafkaNodeOptions) {
    this.#options = options
  }

  logOf = (service: string): Log | undefined =>
    this.#options.place.services.includes(service) ? undefined : (this.#log ?? NOTHING_YET)

  wake(): void {
    this.#relay?.wake()
  }

  async health() {
    return []
  }

  /** Nobody scales a topic over the modelled broker: it has the partitions that are declared. */
  async partitionsOf(): Promise<number> {
    return 0
  }

  async backlog() {
    return { records: 0, limit: 0 }
  }

  async kafkaHealth(): Promise<never> {
    throw new Error('Nobody asks a simulated process how Kafka is.')
  }

  async start(lonja: Lonja): Promise<void> {
    await this.#startRelay()
    this.#startReader(lonja)
  }

  async #startRelay(): Promise<void> {
    const { place, world, life, relays, rowsAPartition, capRecords, mutant } = this.#options
    const membership = relays.join(life)
    const connections = relayAnswers({
      ...this.#options,
      epoch: () => relays.epochOf(life, RELAY_LEASE),
      now: () => world.now,
    })
    const sources = place.services
    const store = new RelayStore({ url: '', sources, holder: life.name, connections, rowsAPartition })
    const { rare } = place
    this.#relay = new Relay({
      store,
      membership,
      clock: this.#clock('relay'),
      capRecords,
      openProducer: async (transactionalId) => {
        const producer = await openProducer({ ...this.#options, transactionalId })
        return mutant.producer?.(producer, place) ?? producer
      },
      observer: {
        shipped: () => undefined,
        failed: (error) => {
          rare.hit('relay began again')
          world.note(`${life.name} relay failed: ${(error as Error).message}`)
        },
        refused: ({ stopped = '' }) => world.note(`${life.name} ${stopped}`),
      },
    })
    await membership.start()
    this.#relay.start()
  }

  /** Looks that find the same each time are beats, so that a world where nothing else happens is at rest. */
  #clock(what: string): Clock {
    const { world, life } = this.#options
    return {
      now: () => world.now + life.skewMs,
      after: (delayMs, run) => {
        const isIdle = delayMs === POLL_MS || delayMs === WRITE_POSITIONS_MS
        return world.after(life, what, { delayMs, run, isBeat: isIdle, isIdle })
      },
    }
  }

  #startReader(lonja: Lonja): void {
    const { place, world, life, membership, broker, gate } = this.#options
    const { registry } = lonja
    const { read: topics } = topicsOf(registry, { databases: [place.services], chosen: place.services })
    this.#log = new KafkaLog({
      address: ADDRESS,
      clock: world.clockOf(life),
      topics,
      reads: (topic, source) => registry.sourcesOf(topic).includes(source) && !place.services.includes(source),
      holds: (partitions, partition) => membership.holds(partitions, partition),
      positions: place.positions,
      grown: (sources) => lonja.noticed(sources),
      observer: {
        failed: (error) => world.note(`${life.name} reader failed: ${(error as Error).message}`),
        stranger: async ({ why }) => {
          world.note(`${life.name} met a stranger: ${why}`)
          return true
        },
      },
      openFetcher: (options, readings) => new ModelFetcher({ broker, gate, world, life }, options, readings),
    })
    this.#log.start()
    this.#writePositions()
  }

  #writePositions(): void {
    const { place, life } = this.#options
    this.#clock('positions').after(WRITE_POSITIONS_MS, () => {
      if (!life.alive) return
      place.positions = merged(place.positions, this.#log?.positions() ?? [])
      this.#writePositions()
    })
  }

  async stop(): Promise<void> {
    await this.#log?.stop()
    await this.#relay?.stop()
  }
}

type Positions = KafkaPlace['positions']

/** Each process writes those of what it reads. */
function merged(before: Positions, now: Positions): Positions {
  const nameOf = ({ topic, partition }: Positions[number]) => `${topic}/${partition}`
  return [...new Map([...before, ...now].map((position) => [nameOf(position), position])).values()]
}
