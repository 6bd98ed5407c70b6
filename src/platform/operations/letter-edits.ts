// The edits of dead letters as they are stored: made, or proposed for a second person to decide about.
import type { Page, PageKey } from '../../kernel/page.ts'
import { cutPage } from '../../kernel/page.ts'
import type { Cell, Row, Store } from '../ports.ts'
import { letterEditsTable } from '../store/tables.ts'

/** proposed: waits for a second person. made: a new message stands in for the letter. */
export const EDIT_STATES = ['proposed', 'made', 'rejected'] as const
export type EditState = (typeof EDIT_STATES)[number]

export interface LetterEdit {
  readonly id: string
  readonly version: number
  readonly service: string
  readonly letter: string
  readonly state: EditState
  /** The hash of what was asked for: the same id with another body is another edit. */
  readonly request: string
  /** As JSON; null once it is decided, since the body may tell of persons. */
  readonly body: string | null
  /** The names of the fields that differ. */
  readonly fields: readonly string[]
  readonly reason: string
  readonly proposedBy: string
  readonly proposedAt: number
  readonly decidedBy: string | null
  readonly decidedAt: number | null
  readonly decidedReason: string | null
  /** The letter of the new message. */
  readonly made: string | null
}

type StoredRow = Readonly<Record<string, Cell>>

export function editCells(edit: LetterEdit): Row {
  const { id, version, service, letter, state, request, body, fields, reason, proposedBy, proposedAt } = edit
  const proposal = [id, version, service, letter, state, request, body, JSON.stringify(fields), reason]
  return [...proposal, proposedBy, proposedAt, edit.decidedBy, edit.decidedAt, edit.decidedReason, edit.made]
}

function editIn(row: StoredRow): LetterEdit {
  const textOf = (name: string) => (row[name] === null ? null : String(row[name]))
  return {
    id: String(row['id']),
    version: Number(row['version']),
    service: String(row['service']),
    letter: String(row['letter']),
    state: String(row['state']) as EditState,
    request: String(row['request']),
    body: textOf('body'),
    fields: JSON.parse(String(row['fields'])) as readonly string[],
    reason: String(row['reason']),
    proposedBy: String(row['proposed_by']),
    proposedAt: Number(row['proposed_at']),
    decidedBy: textOf('decided_by'),
    decidedAt: row['decided_at'] === null ? null : Number(row['decided_at']),
    decidedReason: textOf('decided_reason'),
    made: textOf('made'),
  }
}

/** The edit, with the database that it lies in; undefined where there is none. */
export async function findEdit(stores: readonly Store[], id: string) {
  for (const store of new Set(stores)) {
    const [row] = await store.query<StoredRow>(`SELECT * FROM ${nameIn(store)} WHERE id = ?`, [id])
    if (row !== undefined) return { store, edit: editIn(row) }
  }
  return undefined
}

/** A page of the edits, the youngest first. */
export async function listEdits(
  stores: readonly Store[],
  { state, letter }: { readonly state?: EditState | undefined; readonly letter?: string | undefined },
  { after, limit }: { readonly after?: PageKey | undefined; readonly limit: number },
): Promise<Page<LetterEdit>> {
  const [proposedAt = 0, id = ''] = after ?? []
  const conditions: (readonly [string, ...Cell[]])[] = [
    ...(state === undefined ? [] : [['state = ?', state] as const]),
    ...(letter === undefined ? [] : [['letter = ?', letter] as const]),
    ...(after === undefined ? [] : [['(proposed_at, id) < (?, ?)', proposedAt, id] as const]),
  ]
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.map(([sql]) => sql).join(' AND ')}`
  const values = conditions.flatMap(([, ...own]) => own)
  const rows = await Promise.all(
    [...new Set(stores)].map((store) => {
      const sql = `SELECT * FROM ${nameIn(store)} ${where} ORDER BY proposed_at DESC, id DESC LIMIT ?`
      return store.query<StoredRow>(sql, [...values, limit + 1])
    }),
  )
  const ordered = rows
    .flat()
    .map(editIn)
    .toSorted((one, other) => other.proposedAt - one.proposedAt || (one.id < other.id ? 1 : -1))
  return cutPage(ordered, limit, (edit) => [edit.proposedAt, edit.id])
}

function nameIn(store: Store): string {
  return store.tableName(letterEditsTable.schema, letterEditsTable.name)
}
