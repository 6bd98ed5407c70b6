// What one batch changes of parked keys, their queues and dead letters: seen by its later records, written at its end.
import type { Row, Write } from '../ports.ts'
import { parkingLotsTable } from '../store/tables.ts'
import type { Registry } from '../runtime/registry.ts'
import { RowsByService } from '../runtime/round-writes.ts'
import { sorted } from '../runtime/working-set.ts'
import type { DeadLetter } from './dead-letter.ts'
import { deadLetterCells } from './dead-letter.ts'
import type { KeyName, ParkedKey } from './parked-key.ts'
import { keyCells, lotOf, nameOf } from './parked-key.ts'
import type { ParkedMessage } from './parked-message.ts'
import { messageCells, messageKey } from './parked-message.ts'
import type { Parking } from './parking.ts'

interface KeyChange {
  readonly before: ParkedKey | undefined
  after: ParkedKey | undefined
}

/** What is known of the parked keys before the changes. */
export type KnownKeys = Pick<Parking, 'find' | 'load' | 'lotVersion' | 'apply'>

export class ParkingChanges {
  readonly #parking: KnownKeys
  readonly #keys = new Map<string, KeyChange>()
  readonly #joined = new RowsByService()
  readonly #tried = new RowsByService()
  readonly #left = new RowsByService()
  readonly #letters = new RowsByService()
  /** Keys and messages that the batch adds, by group: memory counts only what is committed. */
  readonly #added = new Map<string, { keys: number; messages: number }>()

  constructor(parking: KnownKeys) {
    this.#parking = parking
  }

  get isEmpty(): boolean {
    return this.#keys.size === 0 && this.#letters.isEmpty
  }

  find(name: KeyName): ParkedKey | undefined {
    const change = this.#keys.size === 0 ? undefined : this.#keys.get(nameOf(name))
    return change === undefined ? this.#parking.find(name) : change.after
  }

  /** How many keys and messages of the group are parked by now. */
  load(group: string): { readonly keys: number; readonly messages: number } {
    const { keys, messages } = this.#parking.load(group)
    const { keys: more = 0, messages: moreMessages = 0 } = this.#added.get(group) ?? {}
    return { keys: keys + more, messages: messages + moreMessages }
  }

  /** The position of the next message that joins the key's queue: numbers of one that emptied are not used again. */
  nextPosition(name: KeyName): number {
    const change = this.#keys.get(nameOf(name))
    const { tail = 0 } = change?.after ?? change?.before ?? this.#parking.find(name) ?? {}
    return tail + 1
  }

  /** The key as it becomes; its version follows by itself. */
  save(after: ParkedKey): void {
    const change = this.#change(after)
    this.#count(after.group, {
      keys: change.after === undefined ? 1 : 0,
      messages: after.messages - (change.after?.messages ?? 0),
    })
    change.after = { ...after, version: (change.before?.version ?? 0) + 1 }
  }

  /** The key is free again. */
  release(parked: ParkedKey): void {
    const change = this.#change(parked)
    this.#count(parked.group, { keys: -1, messages: -(change.after?.messages ?? 0) })
    change.after = undefined
  }

  #change(name: KeyName): KeyChange {
    let change = this.#keys.get(nameOf(name))
    if (change === undefined) {
      const before = this.#parking.find(name)
      this.#keys.set(nameOf(name), (change = { before, after: before }))
    }
    return change
  }

  #count(group: string, { keys, messages }: { readonly keys: number; readonly messages: number }): void {
    const { keys: known = 0, messages: knownMessages = 0 } = this.#added.get(group) ?? {}
    this.#added.set(group, { keys: known + keys, messages: knownMessages + messages })
  }

  /** A message joins its key's queue. */
  join(service: string, message: ParkedMessage): void {
    this.#joined.add(service, messageCells(message))
  }

  /** The first message of a queue was tried and stays. */
  tried(service: string, message: ParkedMessage): void {
    this.#tried.add(service, messageCells(message))
  }

  /** A message leaves its queue: it was handled, or is dead. */
  leave(service: string, message: ParkedMessage): void {
    this.#left.add(service, messageKey(message))
  }

  letter(service: string, letter: DeadLetter): void {
    this.#letters.add(service, deadLetterCells(letter))
  }

  /** In the lock order. A row that goes is raised before: one that another process changed meanwhile is a conflict. */
  writes(registry: Registry): Write[] {
    if (this.isEmpty) return []
    const saved = new RowsByService()
    const gone = new RowsByService()
    for (const { before, after } of this.#keys.values()) {
      const row = after ?? (before === undefined ? undefined : { ...before, version: before.version + 1 })
      if (row === undefined) continue
      saved.add(row.service, keyCells(row))
      if (after === undefined) gone.add(row.service, [row.group, row.keyName, row.key])
    }
    const lots = sorted([...this.#lots()].map(([lot, version]): Row => [lot, version]))
    return [
      ...(lots.length === 0 ? [] : [{ table: parkingLotsTable, mode: 'versioned' as const, rows: lots }]),
      ...saved.writes(registry, 'parkedKeys', 'versioned'),
      ...gone.writes(registry, 'parkedKeys', 'delete'),
      ...this.#left.writes(registry, 'parked', 'delete'),
      ...this.#tried.writes(registry, 'parked', 'upsert'),
      ...this.#joined.writes(registry, 'parked', 'insert'),
      ...this.#letters.writes(registry, 'deadLetters', 'versioned'),
    ]
  }

  /** The lots whose keys are others than before, with their next version. */
  *#lots(): Iterable<readonly [lot: string, version: number]> {
    const lots = new Set<string>()
    for (const { before, after } of this.#keys.values()) {
      if ((before === undefined) === (after === undefined)) continue
      const known = after ?? before
      if (known !== undefined) lots.add(lotOf(known))
    }
    for (const lot of lots) yield [lot, this.#parking.lotVersion(lot) + 1]
  }

  /** Memory follows the commit. */
  applied(): void {
    if (this.isEmpty) return
    const lots = [...this.#lots()]
    this.#parking.apply(this.#keys.values(), lots)
  }
}
