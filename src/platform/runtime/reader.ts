// Reads of one service: documents by key, rows of its own tables, the story of a correlation.
import type { AnyRef, Ref } from '../../kernel/handler.ts'
import type { Reader, StoryEntry } from '../../kernel/route.ts'
import type { Snapshot } from '../../kernel/aggregate.ts'
import type { Store, Table } from '../ports.ts'
import type { Registry } from './registry.ts'
import { stateOfCells } from './stored-documents.ts'

export interface ReaderOptions {
  readonly registry: Registry
  readonly service: string
  readonly store: Store
  /** The live table of a projection by its name; undefined for any other table. */
  readonly liveTable: (name: string) => Table | undefined
  readonly story: (correlation: string) => Promise<readonly StoryEntry[]>
}

/** What a route may read. Everything is as the last commit left it. */
export function createReader({ registry, service, store, liveTable, story }: ReaderOptions): Reader {
  const states = async (refs: readonly AnyRef[]): Promise<readonly unknown[]> => {
    const transaction = await store.begin()
    try {
      return await Promise.all(
        refs.map(async ({ kind, key }) => {
          if (registry.serviceOf(kind) !== service)
            throw new Error(`${service} reads ${kind.name}, which is not its own.`)
          const [row] = await transaction.load(registry.tableOf(kind), [[key]])
          return row === undefined ? kind.initial() : stateOfCells(kind, row[2] ?? null, row[3])
        }),
      )
    } finally {
      await transaction.release()
    }
  }
  return {
    states,
    state: async <State>(ref: Ref<State>) => (await states([ref]))[0] as State,
    rows: (sql, values = []) => store.query(named(sql, { service, store, liveTable }), values),
    story,
  }
}

/** Replaces `{table}` by the table's name in this store: the live build where it is a projection. */
function named(
  sql: string,
  { service, store, liveTable }: Pick<ReaderOptions, 'service' | 'store' | 'liveTable'>,
): string {
  return sql.replaceAll(/\{(\w+)\}/g, (_, name: string) => store.tableName(service, liveTable(name)?.name ?? name))
}

/** The state inside an aggregate's document. */
export function stateOf<State>(snapshot: Snapshot<State>): State {
  return snapshot.state
}
