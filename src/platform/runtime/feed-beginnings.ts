// Where a feed begins that was turned on: with what is appended next, written down before anything is appended.
import { beginningNowText } from '../log/beginning.ts'
import type { Clock, Head, Row, Store } from '../ports.ts'
import { Conflict } from '../ports.ts'
import type { Group, Registry } from './registry.ts'
import { sorted } from './working-set.ts'

export interface FeedBeginnings {
  readonly store: Store
  /** Those whose tables lie in the store and whose groups run in this process. */
  readonly services: readonly string[]
  readonly registry: Registry
  readonly clock: Clock
}

/**
 * Gives the group of each feed that never ran its cursors at the present heads. One that ran before goes on where it
 * was, however long it was off; a partition that its topic got since is read from its beginning.
 */
export async function beginFeeds({ store, services, registry, clock }: FeedBeginnings): Promise<void> {
  const feeds = registry.groups.filter(({ feed, service }) => feed !== undefined && services.includes(service))
  for (const [service, groups] of Map.groupBy(feeds, (group) => group.service)) {
    const table = registry.tables.get(service)?.cursors
    const begun = await begunGroups(store, service)
    const rows = beginnings(groups, begun, await store.heads(service))
    if (table === undefined || rows.length === 0) continue
    const write = { table, mode: 'insert', rows: sorted(rows, table.keyWidth) } as const
    const transaction = await store.begin()
    try {
      await transaction.commit({ writes: [write], appends: [], appendedAt: clock.now(), transaction: 0 })
    } catch (error) {
      // Another process that starts has just written the same.
      if (!(error instanceof Conflict)) throw error
    } finally {
      await transaction.release()
    }
  }
}

async function begunGroups(store: Store, service: string): Promise<ReadonlySet<string>> {
  const rows = await store.query<{ readonly consumer_group: string }>(
    `SELECT DISTINCT consumer_group FROM ${store.tableName(service, 'cursors')}`,
  )
  return new Set(rows.map((row) => row.consumer_group))
}

function beginnings(groups: readonly Group[], begun: ReadonlySet<string>, heads: readonly Head[]): Row[] {
  return groups
    .filter(({ name }) => !begun.has(name))
    .flatMap(({ name, topics }) =>
      heads
        .filter(({ topic }) => topics.includes(topic))
        .map(({ topic, partition, source, next, generation, incarnation }): Row => {
          return [name, topic, partition, source, 1, next, generation, incarnation, beginningNowText(next)]
        }),
    )
}
