// How a document lies in its row: what changes as JSON, and apart from it what never does, which is written once.
import type { StateKind } from '../../kernel/handler.ts'
import type { Snapshot } from '../../kernel/aggregate.ts'
import type { Cell, Row, Write } from '../ports.ts'

/** What an update of a row sets: its constant part stays as it was first written. */
const CHANGING_COLUMNS = ['version', 'state']

/** A document as the store holds it: an aggregate's without the events that its change appends. */
export function storedState(kind: StateKind<unknown>, state: unknown): unknown {
  if (!kind.streamed) return state
  const snapshot = state as Snapshot<unknown>
  return { events: snapshot.events, state: snapshot.state }
}

/** The part of a state that must stay as it is; undefined where the kind has none. */
export function constantOf(kind: StateKind<unknown>, state: unknown): unknown {
  return kind.constant?.of(state)
}

/** The cells of a document's row, in the order of its kind's table. */
export function documentCells(kind: StateKind<unknown>, key: string, version: number, state: unknown): Row {
  const stored = storedState(kind, state)
  if (kind.constant === undefined) return [key, version, JSON.stringify(stored)]
  const constant = version === 1 ? (JSON.stringify(kind.constant.of(stored)) ?? null) : null
  return [key, version, JSON.stringify(kind.constant.without(stored)), constant]
}

/** How rows of the kind are saved. */
export function documentMode(kind: StateKind<unknown>): Pick<Write, 'mode' | 'sets'> {
  return kind.constant === undefined ? { mode: 'versioned' } : { mode: 'versioned', sets: CHANGING_COLUMNS }
}

/** The state in a row's cells; what JSON does not know of is not missing there, but absent. */
export function stateOfCells(kind: StateKind<unknown>, changing: Cell, constant: Cell | undefined): unknown {
  const state = JSON.parse(String(changing)) as unknown
  if (kind.constant === undefined || constant === undefined || constant === null) return state
  return kind.constant.join(state, JSON.parse(String(constant)))
}
