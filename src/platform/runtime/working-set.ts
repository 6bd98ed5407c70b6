// The documents of a batch: loaded once in bulk, changed message by message through an overlay, saved once.
import type { AnyRef, Held, Ref, StateKind } from '../../kernel/handler.ts'
import type { Message } from '../../kernel/message.ts'
import type { Snapshot } from '../../kernel/aggregate.ts'
import type { Cell, Row, Table, Transaction, Write } from '../ports.ts'
import type { CachedDocument, DocumentCache } from './document-cache.ts'
import type { Registry } from './registry.ts'
import { constantOf, documentCells, documentMode, stateOfCells, storedState } from './stored-documents.ts'

interface Document {
  readonly key: string
  /** As stored; 0 for a row that does not exist. */
  readonly version: number
  /** Events in the stream as stored, for aggregates. */
  readonly storedEvents: number
  /** As stored, for kinds that have one. */
  readonly constant: unknown
  state: unknown
  changed: boolean
  /** What the message in hand put; valid only while `mark` is the set's. */
  pending: unknown
  mark: number
}

interface Shelf {
  readonly kind: StateKind<unknown>
  readonly table: Table
  readonly service: string
  readonly documents: Map<string, Document>
}

/** What the stream of an aggregate gets. */
export interface StreamEvent {
  readonly kind: string
  readonly key: string
  readonly event: number
  readonly message: Message
}

export class WorkingSet implements Held {
  readonly #registry: Registry
  readonly #freeze: boolean
  readonly #cache: DocumentCache | undefined
  readonly #shelves = new Map<StateKind<unknown>, Shelf>()
  #wanted = new Map<Shelf, Set<string>>()
  #service = ''
  #mark = 1
  #touched: Document[] = []

  constructor(registry: Registry, freeze: boolean, cache: DocumentCache | undefined) {
    this.#registry = registry
    this.#freeze = freeze
    this.#cache = cache
  }

  /** Notes that a reaction of the service names these documents. @throws when one belongs to another service. */
  want(service: string, refs: readonly AnyRef[]): void {
    for (const { kind, key } of refs) {
      const shelf = this.#shelf(kind)
      if (shelf.service !== service)
        throw new Error(`${service} names ${kind.name} of ${shelf.service}: only its own kinds.`)
      if (shelf.documents.has(key)) continue
      const cached = this.#cache?.get(shelf.table, key)
      if (cached !== undefined) {
        this.#place(shelf, key, cached)
        continue
      }
      const keys = this.#wanted.get(shelf)
      if (keys === undefined) this.#wanted.set(shelf, new Set([key]))
      else keys.add(key)
    }
  }

  /** Loads what was wanted and is not here yet: one statement a kind, sent together. */
  async load(transaction: Transaction): Promise<void> {
    if (this.#wanted.size === 0) return
    const wanted = this.#wanted
    this.#wanted = new Map()
    await Promise.all(
      [...wanted].map(async ([shelf, keys]) => {
        const rows = await transaction.load(
          shelf.table,
          [...keys].toSorted().map((key) => [key]),
        )
        for (const [key, version, text, constant] of rows)
          this.#place(shelf, String(key), {
            version: Number(version),
            state: stateOfCells(shelf.kind, text ?? null, constant),
          })
        for (const key of keys)
          if (!shelf.documents.has(key)) this.#place(shelf, key, { version: 0, state: shelf.kind.initial() })
      }),
    )
  }

  #place(shelf: Shelf, key: string, { version, state }: CachedDocument): void {
    const storedEvents = shelf.kind.streamed ? (state as Snapshot<unknown>).events : 0
    if (this.#freeze) deepFreeze(state)
    const constant = constantOf(shelf.kind, state)
    shelf.documents.set(key, {
      key,
      version,
      storedEvents,
      constant,
      state,
      changed: false,
      pending: undefined,
      mark: 0,
    })
  }

  #shelf(kind: StateKind<unknown>): Shelf {
    let shelf = this.#shelves.get(kind)
    if (shelf === undefined) {
      const service = this.#registry.serviceOf(kind)
      shelf = { kind, table: this.#registry.tableOf(kind), service, documents: new Map() }
      this.#shelves.set(kind, shelf)
    }
    return shelf
  }

  /** Begins a message of the service: what it puts is only its own until `keep`. */
  begin(service: string): void {
    this.#service = service
    this.#mark += 1
    this.#touched = []
  }

  get<State>(ref: Ref<State>): State {
    const document = this.#document(ref)
    return (document.mark === this.#mark ? document.pending : document.state) as State
  }

  put<State>(ref: Ref<State>, state: State): void {
    const document = this.#document(ref)
    if (document.mark !== this.#mark) {
      document.mark = this.#mark
      this.#touched.push(document)
    }
    document.pending = state
  }

  #document({ kind, key }: AnyRef): Document {
    const shelf = this.#shelves.get(kind)
    const document = shelf?.documents.get(key)
    if (shelf === undefined || document === undefined || shelf.service !== this.#service) {
      throw new Error(`The handler did not name ${kind.name} ${key} in its loads.`)
    }
    return document
  }

  /** Folds in what the message put; without this call it is as if the message had never been. */
  keep(): void {
    for (const document of this.#touched) {
      document.state = document.pending
      document.changed = true
      if (this.#freeze) deepFreeze(document.state)
    }
  }

  /** The rows to save, by table, sorted by key. */
  changes(): Write[] {
    const changes: Write[] = []
    for (const { kind, table, documents } of this.#shelves.values()) {
      const rows: Row[] = []
      for (const { key, version, state, changed, constant } of documents.values()) {
        if (!changed) continue
        if (version > 0 && constantOf(kind, state) !== constant)
          throw new Error(`The constant part of ${kind.name} ${key} was changed: only what varies is saved again.`)
        rows.push(documentCells(kind, key, version + 1, state))
      }
      if (rows.length > 0) changes.push({ table, ...documentMode(kind), rows: sorted(rows) })
    }
    return changes
  }

  /** After the commit: what was read and written is what the store holds. */
  remember(): void {
    if (this.#cache === undefined) return
    for (const { kind, table, documents } of this.#shelves.values()) {
      for (const { key, version, state, changed } of documents.values()) {
        if (!changed && version === 0) continue
        this.#cache.set(table, key, { version: changed ? version + 1 : version, state: storedState(kind, state) })
      }
    }
  }

  /** The states of one kind as the batch leaves them. */
  changedOf(kind: StateKind<unknown>): unknown[] {
    const documents = this.#shelves.get(kind)?.documents.values() ?? []
    return [...documents].filter(({ changed }) => changed).map(({ state }) => state)
  }

  /** The events that aggregates append to their streams, by service. */
  streamed(): Map<string, StreamEvent[]> {
    const events = new Map<string, StreamEvent[]>()
    for (const { kind, service, documents } of this.#shelves.values()) {
      if (!kind.streamed) continue
      for (const document of documents.values()) {
        if (!document.changed) continue
        const { appended = [] } = document.state as Snapshot<unknown>
        const rows = events.get(service) ?? []
        appended.forEach((message, index) => {
          rows.push({ kind: kind.name, key: document.key, event: document.storedEvents + index + 1, message })
        })
        events.set(service, rows)
      }
    }
    return events
  }

  /** All documents of the batch, as locks for its next try. */
  locks(): { readonly table: Table; readonly keys: Row[] }[] {
    return [...this.#shelves.values()].map(({ table, documents }) => {
      return { table, keys: sorted([...documents.values()].filter(({ changed }) => changed).map(({ key }) => [key])) }
    })
  }
}

/** Rows in binary order of their key columns: JavaScript orders by UTF-16, which is the same for the keys in use. */
export function sorted(rows: readonly Row[], width = 1): Row[] {
  return rows.toSorted(width === 1 ? byFirst : (one, other) => byColumns(one, other, width))
}

/** Most tables have one key column, and most rows differ in it. */
function byFirst([one = null]: Row, [other = null]: Row): number {
  return compareCells(one, other)
}

function byColumns(one: Row, other: Row, width: number): number {
  for (let column = 0; column < width; column += 1) {
    const order = compareCells(one[column] ?? null, other[column] ?? null)
    if (order !== 0) return order
  }
  return 0
}

function compareCells(one: Cell, other: Cell): number {
  if (one === other) return 0
  return (one ?? '') < (other ?? '') ? -1 : 1
}

/** Mutating a document in place would survive a refusal; frozen ones make it throw in tests. */
function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
}
