// Documents of a kind in pages, and many by key: as of one moment where nothing changed between two reads.
import type { StateKind } from '../../kernel/handler.ts'
import { stateOfCells } from '../../platform/runtime/stored-documents.ts'
import type { CheckContext } from './problem.ts'
import { turn } from './problem.ts'

const PAGE_DOCUMENTS = 1000

interface StoredDocument {
  readonly key: string
  readonly version: number
  readonly state: string
  readonly constant?: string | null
}

export interface Document<State> {
  readonly key: string
  readonly version: number
  readonly state: State
}

export type Documents<State> = ReadonlyMap<string, Document<State>>

/** Every document of the kind, in the order of keys. */
export async function* pagesOf<State>(
  { registry, storeOf }: CheckContext,
  kind: StateKind<State>,
): AsyncGenerator<readonly Document<State>[]> {
  const { schema, name, columns } = registry.tableOf(kind)
  const store = storeOf(schema)
  const from = store.tableName(schema, name)
  const names = columns.map((column) => column.name).join(', ')
  const sql = `SELECT ${names} FROM ${from} WHERE key > ? ORDER BY key LIMIT ${PAGE_DOCUMENTS}`
  let after = ''
  for (;;) {
    const rows = await store.query<StoredDocument>(sql, [after])
    await turn()
    if (rows.length > 0)
      yield rows.map(({ key, version, state, constant }) => {
        return { key, version, state: stateOfCells(kind, state, constant) as State }
      })
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_DOCUMENTS) return
    after = last.key
  }
}

/** The documents of these keys that exist. */
export async function documentsOf<State>(
  { registry, storeOf }: CheckContext,
  kind: StateKind<State>,
  keys: readonly string[],
): Promise<Documents<State>> {
  const table = registry.tableOf(kind)
  const transaction = await storeOf(table.schema).begin()
  try {
    const rows = await transaction.load(
      table,
      keys.map((key) => [key]),
    )
    return new Map(
      rows.map(([key, version, changing = null, constant]) => {
        const state = stateOfCells(kind, changing, constant) as State
        const document = { key: String(key), version: Number(version), state }
        return [document.key, document]
      }),
    )
  } finally {
    await transaction.release()
  }
}

/** The keys of a kind in a range, both ends included: whether a document exists costs no reading of it. */
export async function keysOf(
  { registry, storeOf }: CheckContext,
  kind: StateKind<unknown>,
  [from, to]: readonly [string, string],
): Promise<ReadonlySet<string>> {
  const { schema, name } = registry.tableOf(kind)
  const store = storeOf(schema)
  const sql = `SELECT key FROM ${store.tableName(schema, name)} WHERE key >= ? AND key <= ?`
  const rows = await store.query<Pick<StoredDocument, 'key'>>(sql, [from, to])
  return new Set(rows.map(({ key }) => key))
}

/**
 * Documents of several kinds, and whatever else `between` reads, as of one moment: a key at which no document changed
 * from before to after is at rest. No lock is taken and no snapshot held, so it works across databases.
 */
export async function readAtRest<Kinds extends Readonly<Record<string, StateKind<unknown>>>, Between>(
  context: CheckContext,
  kinds: Kinds,
  { keys, between }: { readonly keys: readonly string[]; readonly between: () => Promise<Between> },
): Promise<{
  readonly documents: { readonly [Name in keyof Kinds]: Documents<StateOf<Kinds[Name]>> }
  readonly between: Between
  readonly isAtRest: (key: string) => boolean
}> {
  const names = Object.keys(kinds)
  const read = async () => {
    const all: Record<string, Documents<unknown>> = {}
    for (const [name, kind] of Object.entries(kinds)) all[name] = await documentsOf(context, kind, keys)
    return all
  }
  const before = await read()
  const middle = await between()
  const after = await read()
  const versionIn = (all: Record<string, Documents<unknown>>, name: string, key: string) => all[name]?.get(key)?.version
  return {
    documents: after as { readonly [Name in keyof Kinds]: Documents<StateOf<Kinds[Name]>> },
    between: middle,
    isAtRest: (key) => names.every((name) => versionIn(before, name, key) === versionIn(after, name, key)),
  }
}

type StateOf<Kind> = Kind extends StateKind<infer State> ? State : never
