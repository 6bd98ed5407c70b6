// Documents of recent batches, kept where this process is the only writer: what was just written is asked for again.
import type { Table } from '../ports.ts'

export interface CachedDocument {
  readonly version: number
  readonly state: unknown
}

/**
 * Documents of one table a generation; at about a kilobyte each, all tables together stay below 70 MB. 800 callers who
 * wait for nothing need no more; with 2,000 half of the orders were read again on their way.
 */
const MAX_DOCUMENTS = 3000

/** Two generations: when the young one is full it becomes the old one, and what nobody asked for is gone. */
interface Generations {
  young: Map<string, CachedDocument>
  old: Map<string, CachedDocument>
}

export class DocumentCache {
  readonly #tables = new Map<Table, Generations>()

  get(table: Table, key: string): CachedDocument | undefined {
    const generations = this.#tables.get(table)
    return generations?.young.get(key) ?? generations?.old.get(key)
  }

  set(table: Table, key: string, document: CachedDocument): void {
    let generations = this.#tables.get(table)
    if (generations === undefined) this.#tables.set(table, (generations = { young: new Map(), old: new Map() }))
    if (generations.young.size >= MAX_DOCUMENTS) {
      generations.old = generations.young
      generations.young = new Map()
    }
    generations.young.set(key, document)
  }

  /** After anything went wrong: the store is the truth. */
  clear(): void {
    this.#tables.clear()
  }
}
