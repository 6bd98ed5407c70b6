// Fetches from the simulated broker as the real fetcher does: a request at a time, waiting where nothing is.
import type { FetcherOptions, Reading } from '../../../src/platform/kafka/fetcher.ts'
import type { FetcherPort } from '../../../src/platform/kafka/kafka-log.ts'
import { visibleRecords } from '../../../src/platform/kafka/visible-records.ts'
import type { Gate, NodeLife } from '../ports.ts'
import type { World } from '../world.ts'
import type { Broker, FetchAnswer } from './broker.ts'
import type { BrokerPartition } from './partition.ts'

const WAIT_MS = 500
const AFTER_ERROR_MS = 200
/** The same for each topic as long as nobody makes it anew. */
const TOPIC_ID = 'made once'

export interface ModelFetcherOptions {
  readonly broker: Broker
  readonly gate: Gate
  readonly world: World
  readonly life: NodeLife
}

export class ModelFetcher implements FetcherPort {
  readonly #model: ModelFetcherOptions
  readonly #options: FetcherOptions
  readonly #readings: () => readonly Reading[]
  readonly #places = new Map<Reading, BrokerPartition>()
  #isStopped = false
  #wake = (): void => undefined

  constructor(model: ModelFetcherOptions, options: FetcherOptions, readings: () => readonly Reading[]) {
    this.#model = model
    this.#options = options
    this.#readings = readings
  }

  start(): void {
    void this.#run()
  }

  wake(): void {
    this.#wake()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#wake()
  }

  async #run(): Promise<void> {
    const { world, life } = this.#model
    while (!this.#isStopped && life.alive) {
      const wanted = this.#wanted()
      try {
        if (wanted.length === 0) await this.#wait()
        else await this.#fetch(wanted)
      } catch (error) {
        this.#options.failed(error)
        await world.wait(life, 'fetches again', AFTER_ERROR_MS)
      }
    }
  }

  async #fetch(wanted: readonly Wanted[]): Promise<void> {
    const { gate, life } = this.#model
    const offsets = new Map(wanted.map(({ reading }) => [reading, reading.offset]))
    const answers = await gate.call(life, 'fetch', async () => this.#ask(wanted))
    for (const { reading, answer } of answers)
      // Whoever reads may have gone elsewhere meanwhile.
      if (reading.offset === offsets.get(reading)) this.#take(reading, answer)
  }

  /** Of what is read, that which the broker has something of. */
  #wanted(): readonly Wanted[] {
    const { broker } = this.#model
    const { isolation } = this.#options
    const wanted: Wanted[] = []
    for (const reading of this.#readings()) {
      if (reading.isFull) continue
      let place = this.#places.get(reading)
      if (place === undefined) this.#places.set(reading, (place = broker.partition(reading.topic, reading.partition)))
      if (place.hasNews(reading.offset, isolation)) wanted.push({ reading, place })
    }
    return wanted
  }

  #ask(wanted: readonly Wanted[]) {
    const { broker } = this.#model
    const { isolation } = this.#options
    return wanted.map(({ reading, place }) => ({ reading, answer: broker.fetch(place, reading.offset, isolation) }))
  }

  #take(reading: Reading, { isOutOfRange, batches, aborted }: FetchAnswer): void {
    if (isOutOfRange) {
      this.#options.outOfRange(reading, { first: 0n })
      return
    }
    const { topic, partition, offset: from } = reading
    const { records, next } = visibleRecords({ topic, partition, from, batches, aborted })
    reading.offset = next
    this.#options.deliver(reading, records, TOPIC_ID)
  }

  /** A request that finds nothing waits at the broker; partitions that came meanwhile are in the next one. */
  #wait(): Promise<void> {
    const { broker, world, life } = this.#model
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    // On its way for a moment: whoever is told is another process.
    const told = () => void world.after(life, 'fetch answered', { delayMs: 0, run: resolve })
    const forget = broker.whenNews(told)
    const cancel = world.after(life, 'empty fetch', { delayMs: WAIT_MS, run: resolve, isBeat: true, isIdle: true })
    return promise.finally(() => {
      forget()
      cancel()
    })
  }
}

interface Wanted {
  readonly reading: Reading
  readonly place: BrokerPartition
}
