// Documents of recent batches, kept where this process is the only writer: what was just written is asked for again.
import type { Table } from '../ports.ts'

export interface CachedDocument {
  readonly version: number
  readonly state: unknown
}

/** Documents a generation; at about a kilobyte each, two generations stay below 50 MB. */
const MAX_DOCUMENTS = 20_000

/** Two generations: when the young one is full it becomes the old one, and what nobody asked for is gone. */
export class DocumentCache {
  #young = new Map<string, CachedDocument>()
  #old = new Map<string, CachedDocument>()

  get(table: Table, key: string): CachedDocument | undefined {
    const name = nameOf(table, key)
    return this.#young.get(name) ?? this.#old.get(name)
  }

  set(table: Table, key: string, document: CachedDocument): void {
    if (this.#young.size >= MAX_DOCUMENTS) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(nameOf(table, key), document)
  }

  /** After anything went wrong: the store is the truth. */
  clear(): void {
    this.#young.clear()
    this.#old.clear()
  }
}

function nameOf({ schema, name }: Table, key: string): string {
  return `${schema}.${name} ${key}`
}
