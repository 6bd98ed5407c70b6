// One of the databases that talk over Kafka: its logs as the relay reads them, and how far they are shipped.
import type { Head } from '../../../src/platform/ports.ts'
import type { Mark } from '../../../src/platform/kafka/relay-store.ts'
import type { Position } from '../../../src/platform/kafka/kafka-log.ts'
import type { Database } from '../database.ts'
import type { MemoryRow } from '../log-memory.ts'
import type { RareCounts } from '../rare.ts'
import { registry } from '../wiring.ts'

export interface PlaceHome {
  readonly name: string
  /** By it other handles reach the same memory. */
  readonly path: string
  readonly services: readonly string[]
  readonly database: Database
}

/** A row of a log, and the first of its records that is wanted. */
export interface PlacedRow {
  readonly source: string
  readonly start: number
  readonly row: MemoryRow
}

/** What lies beside the logs in the database: it goes back with them. */
export interface KafkaTables {
  readonly marks: ReadonlyMap<string, Mark>
  readonly positions: readonly Position[]
}

export class KafkaPlace {
  readonly home: PlaceHome
  readonly services: readonly string[]
  readonly rare: RareCounts
  positions: readonly Position[] = []
  readonly #marks = new Map<string, Mark>()

  constructor(home: PlaceHome, rare: RareCounts) {
    this.home = home
    this.services = home.services
    this.rare = rare
  }

  /** What is there is shipped, and gone from Kafka since: each history begins with an empty one. */
  async begin(): Promise<void> {
    for (const { source, topic, partition, next } of await this.heads())
      if (next > 0) this.mark({ source, topic, partition, next })
  }

  copyTables(): KafkaTables {
    return { marks: new Map(this.#marks), positions: this.positions }
  }

  putTablesBack({ marks, positions }: KafkaTables): void {
    this.#marks.clear()
    for (const [name, mark] of marks) this.#marks.set(name, mark)
    this.positions = positions
  }

  /** In memory each source answers at once, so all heads are those of one moment. */
  async heads(): Promise<readonly Head[]> {
    const { store } = this.home.database
    return (await Promise.all(this.services.map((source) => store.heads(source)))).flat()
  }

  /**
   * The first rows of each partition from where `startOf` says on, of one moment.
   *
   * @param startOf undefined where nothing of the partition is wanted
   */
  async read(startOf: (mark: Mark) => number | undefined, limitRows: number): Promise<readonly PlacedRow[]> {
    const { store } = this.home.database
    const reads = this.services.map(async (source) => {
      const ranges = PLACES.get(source) ?? []
      const starts = new Map<string, number>()
      for (const { topic, partition } of ranges) {
        const start = startOf(this.markOf(source, topic, partition))
        if (start !== undefined) starts.set(`${topic}/${partition}`, start)
      }
      const wanted = ranges.flatMap(({ topic, partition }) => {
        const from = starts.get(`${topic}/${partition}`)
        return from === undefined ? [] : [{ topic, partition, from }]
      })
      const rows = (await store.readLog(source, wanted, limitRows)) as readonly MemoryRow[]
      return rows.map((row) => ({ source, start: starts.get(`${row.topic}/${row.partition}`) ?? 0, row }))
    })
    return (await Promise.all(reads)).flat()
  }

  markOf(source: string, topic: string, partition: number): Mark {
    return this.#marks.get(`${source}/${topic}/${partition}`) ?? { source, topic, partition, next: 0 }
  }

  get stopped(): readonly Mark[] {
    return [...this.#marks.values()].filter(({ stopped }) => stopped !== undefined)
  }

  mark(mark: Mark): void {
    const { source, topic, partition, stopped } = mark
    if (stopped !== undefined) this.rare.hit('partition stopped by a refusal')
    this.#marks.set(`${source}/${topic}/${partition}`, mark)
  }

  tryStoppedAgain(): readonly (readonly unknown[])[] {
    const { stopped } = this
    for (const mark of stopped) {
      this.rare.hit('stopped partition shipped again')
      this.mark({ ...mark, stopped: undefined })
    }
    return stopped.map(() => [1])
  }

  /** Whether something waits to be shipped. */
  async isBehind(): Promise<boolean> {
    return (await this.heads()).some(({ source, topic, partition, next }) => {
      return next > this.markOf(source, topic, partition).next
    })
  }
}

/** The partitions of each source's topics. */
const PLACES: ReadonlyMap<string, readonly { readonly topic: string; readonly partition: number }[]> = new Map(
  registry.schemas.map(({ schema, topics }) => [
    schema,
    topics.flatMap(({ name, partitions }) => {
      return Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition }))
    }),
  ]),
)
