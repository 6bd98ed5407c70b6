// Documents of a kind in pages, and many by key: each as stored, or its initial state.
import type { StateKind } from '../../kernel/handler.ts'
import type { CheckContext } from './problem.ts'

const PAGE_DOCUMENTS = 1000

interface StoredDocument {
  readonly key: string
  readonly state: string
}

export interface Document<State> {
  readonly key: string
  readonly state: State
}

/** Every document of the kind, in the order of keys. */
export async function* pagesOf<State>(
  { registry, storeOf }: CheckContext,
  kind: StateKind<State>,
): AsyncGenerator<readonly Document<State>[]> {
  const { schema, name } = registry.tableOf(kind)
  const store = storeOf(schema)
  const sql = `SELECT key, state FROM ${store.tableName(schema, name)} WHERE key > ? ORDER BY key LIMIT ${PAGE_DOCUMENTS}`
  let after = ''
  for (;;) {
    const rows = await store.query<StoredDocument>(sql, [after])
    if (rows.length > 0) yield rows.map(({ key, state }) => ({ key, state: JSON.parse(state) as State }))
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_DOCUMENTS) return
    after = last.key
  }
}

export async function documentsOf<State>(
  { registry, storeOf }: CheckContext,
  kind: StateKind<State>,
  keys: readonly string[],
): Promise<ReadonlyMap<string, State>> {
  const table = registry.tableOf(kind)
  const transaction = await storeOf(table.schema).begin()
  try {
    const rows = await transaction.load(
      table,
      keys.map((key) => [key]),
    )
    return new Map(rows.map(([key, , state]) => [String(key), JSON.parse(String(state)) as State]))
  } finally {
    await transaction.release()
  }
}
