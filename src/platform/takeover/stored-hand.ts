// What was in hand, as a row: written before a suspect is handled, and by the watchdog when a handler never came back.
import { HandlerHung, ProcessDied } from '../../kernel/fault.ts'
import type { Cell, Row, Store, Write } from '../ports.ts'
import { inHandTable } from '../store/tables.ts'
import type { ItemKind } from './item.ts'

/** One a lot: the next one takes its place. `fresh` is a record of a batch that never was committed. */
export interface StoredHand {
  readonly lot: string
  readonly kind: ItemKind | 'fresh' | 'none'
  readonly name: string
  /** Of a record its sequence, of a retry its position, of a timer its due time, of an answer its row's version. */
  readonly at: number
  /** That of the fault: `ProcessDied` or `HandlerHung`. */
  readonly code: string
  readonly writtenAt: number
}

/** What dead letters of these codes say killed its process, so it is never again tried beside others. */
export const KILLER_CODES: ReadonlySet<string> = new Set([ProcessDied.name, HandlerHung.name])

export function handIn([lot, kind, name, at, code, writtenAt]: Row): StoredHand {
  const text = (cell: Cell | undefined) => String(cell ?? '')
  return {
    lot: text(lot),
    kind: text(kind) as StoredHand['kind'],
    name: text(name),
    at: Number(at),
    code: text(code),
    writtenAt: Number(writtenAt),
  }
}

/** Whether a message is given up because its process died, and not for anything that its handler threw. */
export function isDeath(error: unknown): error is Error {
  return error instanceof ProcessDied || error instanceof HandlerHung
}

/** The fault that a message gets which was found in hand. */
export function verdictOf({ code }: Pick<StoredHand, 'code'>): Error {
  return code === HandlerHung.name
    ? new HandlerHung('its handler never came back, and the watchdog ended the process')
    : new ProcessDied('it was in hand when its process died, after others had died there')
}

/** Writes it by itself: committed before the handler runs. */
export function writeHand(store: Store, hand: StoredHand): Promise<void> {
  return write(store, [hand], hand.writtenAt)
}

/** Their handlers came back, with whatever: a death that follows is nobody's fault. */
export function clearHands(store: Store, lots: Iterable<string>, writtenAt: number): Promise<void> {
  const hands = [...lots].toSorted().map((lot): StoredHand => {
    return { lot, kind: 'none', name: '', at: 0, code: '', writtenAt }
  })
  return write(store, hands, writtenAt)
}

async function write(store: Store, hands: readonly StoredHand[], appendedAt: number): Promise<void> {
  const rows = hands.map(({ lot, kind, name, at, code, writtenAt }): Row => [lot, kind, name, at, code, writtenAt])
  const transaction = await store.begin()
  try {
    const writes: Write[] = [{ table: inHandTable, mode: 'upsert', rows }]
    await transaction.commit({ writes, appends: [], appendedAt, transaction: 0 })
  } finally {
    await transaction.release()
  }
}
