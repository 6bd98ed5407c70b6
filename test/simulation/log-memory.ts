// One source's log as the simulator holds it in memory: heads that append under their guards, and the rows below them.
import type { Append, Head, LogRange, Plan, Row, Scaling, TransactionRow } from '../../src/platform/ports.ts'
import { Conflict } from '../../src/platform/ports.ts'

/** A row with the commit that wrote it: two processes may have chosen one transaction's number alike. */
export interface MemoryRow extends TransactionRow {
  readonly commit: number
}

/** A partition and its rows, in the order of their numbers. */
interface Place {
  head: Head
  /** The oldest number that retention left. */
  readonly first: Row[number]
  readonly rows: MemoryRow[]
  isDirty: boolean
}

export const HEAD_COLUMNS = ['topic', 'partition', 'generation', 'incarnation', 'first', 'next', 'appended_at', 'made']
export const LOG_COLUMNS = [
  'position',
  'topic',
  'partition',
  'generation',
  'incarnation',
  'first',
  'last',
  'appended_at',
  'transaction_id',
  'body',
]

export class LogMemory {
  readonly source: string
  readonly #places: Map<string, Place>
  /** Rows that SQLite does not have yet. */
  #fresh: MemoryRow[] = []
  #heads: readonly Head[] | undefined

  constructor(source: string, heads: readonly Row[], rows: readonly Row[]) {
    this.source = source
    this.#places = new Map(
      heads.map(([topic, partition, generation, incarnation, first = 0, next, appendedAt, made]) => {
        const head = { source, topic, partition, generation, incarnation, first, next, appendedAt, made } as Head
        return [`${topic}/${partition}`, { head, first, rows: [], isDirty: false }]
      }),
    )
    for (const [, topic, partition, generation, incarnation, first, last, appendedAt, transaction, body] of rows) {
      const place = { topic, partition, generation, incarnation, first, last, appendedAt, body }
      const row = { ...place, transaction, commit: 0 } as MemoryRow
      this.#places.get(`${topic}/${partition}`)?.rows.push(row)
    }
    for (const { rows: own } of this.#places.values()) own.sort((one, other) => one.last - other.last)
  }

  get isDirty(): boolean {
    return this.#fresh.length > 0
  }

  heads(): readonly Head[] {
    this.#heads ??= [...this.#places.values()].map(({ head }) => head)
    return this.#heads
  }

  /** @throws {Conflict} when a head moved, or is of another generation or incarnation. */
  check(append: Append, alreadyThere: number): void {
    const { topic, partition, generation, incarnation, expected } = append
    const name = `${this.source}/${topic}/${partition}`
    const place = this.#places.get(`${topic}/${partition}`)
    if (place === undefined) throw new Error(`The topic or partition ${name} was never declared in this database.`)
    const { head } = place
    if (head.generation !== generation || head.incarnation !== incarnation)
      throw new Conflict(`the head of ${name} is of another generation or incarnation`)
    if (expected !== undefined && expected !== head.next + alreadyThere) throw new Conflict(`the head of ${name} moved`)
  }

  /** After `check`. @returns the first sequence. */
  append({ topic, partition, count, body }: Append, plan: Plan): number {
    const place = this.#places.get(`${topic}/${partition}`) as Place
    const { head } = place
    const { transaction } = plan
    const at = Math.max(head.appendedAt, plan.appendedAt)
    const { generation, incarnation, next: first } = head
    const numbers = { topic, partition, generation, incarnation, first, last: first + count - 1, appendedAt: at, body }
    const row = { ...numbers, transaction, commit: commitOf(plan) }
    place.rows.push(row)
    place.head = { ...head, next: first + count, appendedAt: at }
    place.isDirty = true
    this.#fresh.push(row)
    this.#heads = undefined
    return first
  }

  /** @throws {Conflict} when it was scaled by another. */
  checkScaling({ topic, generation, from }: Scaling): void {
    const places = [...this.#places.values()].filter(({ head }) => head.topic === topic)
    if (places.length !== from || places.some(({ head }) => head.generation !== generation))
      throw new Conflict(`${this.source}/${topic} was scaled by another`)
  }

  /** After `checkScaling`, and `append` of the barriers. */
  scale({ topic, generation, from, to, incarnation }: Scaling): void {
    const { source } = this
    const places = [...this.#places.values()].filter(({ head }) => head.topic === topic)
    for (const place of places) Object.assign(place, { head: { ...place.head, generation: generation + 1 } })
    const made = generation + 1
    for (let partition = from; partition < to; partition += 1) {
      const head = { source, topic, partition, generation: made, incarnation, first: 0, next: 0, appendedAt: 0, made }
      this.#places.set(`${topic}/${partition}`, { head, first: 0, rows: [], isDirty: true })
    }
    this.#heads = undefined
  }

  read({ topic, partition, from }: LogRange, limitRows: number): readonly MemoryRow[] {
    const rows = this.#places.get(`${topic}/${partition}`)?.rows
    if (rows === undefined) throw new Error(`The topic ${topic} was never declared in this database.`)
    let start = rows.length
    while (start > 0 && (rows[start - 1]?.last ?? -1) >= from) start -= 1
    return rows.slice(start, start + limitRows)
  }

  /** What SQLite has to be told: rows of the log and heads. */
  flush(positionOf: (topic: string, partition: number, sequence: number) => number): {
    readonly rows: readonly Row[]
    readonly heads: readonly Row[]
  } {
    const rows = this.#fresh.map((row): Row => {
      const { topic, partition, generation, incarnation, first, last, appendedAt, transaction, body } = row
      const position = positionOf(topic, partition, last)
      return [position, topic, partition, generation, incarnation, first, last, appendedAt, transaction, body]
    })
    this.#fresh = []
    const heads: Row[] = []
    for (const place of this.#places.values()) {
      if (!place.isDirty) continue
      place.isDirty = false
      const { topic, partition, generation, incarnation, next, appendedAt, made } = place.head
      heads.push([topic, partition, generation, incarnation, place.first, next, appendedAt, made])
    }
    return { rows, heads }
  }
}

const commits = new WeakMap<Plan, number>()
let commitsCounted = 0

function commitOf(plan: Plan): number {
  const known = commits.get(plan) ?? (commitsCounted += 1)
  commits.set(plan, known)
  return known
}
