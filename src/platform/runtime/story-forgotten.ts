// What a story can't tell any more: records that were deleted after their time, said in a line instead of left out.
import { topicIfDeclared } from '../../kernel/message.ts'
import type { Head, Store } from '../ports.ts'
import type { ToldEntry } from './story-order.ts'

/** Transactions are numbered in microseconds. */
const NUMBERS_A_MILLISECOND = 1000

interface Told {
  readonly store: Store
  /** Those whose logs lie in this store. */
  readonly services: readonly string[]
  /** The first transaction of the story. */
  readonly transaction: number
}

/** A line for each log that has lost records of the story's time. */
export async function forgottenEntries({ store, services, transaction }: Told): Promise<ToldEntry[]> {
  const at = Math.floor(transaction / NUMBERS_A_MILLISECOND)
  const entries: ToldEntry[] = []
  for (const service of services) {
    const heads = (await store.heads(service)).filter(({ first, topic }) => {
      // Stories tell nothing of what feeds made.
      return first > 0 && topicIfDeclared(topic)?.kind !== 'outward'
    })
    if (heads.length === 0) continue
    const until = await deletedUntil(store, service, heads)
    if (until <= at) continue
    const topics = [...new Set(heads.map(({ topic }) => topic))].join(', ')
    const cause = `${topics} from before ${new Date(until).toISOString()}`
    entries.push({ at, service, what: 'log', name: 'no longer kept', cause, transaction })
  }
  return entries
}

/** The time from which on every record is kept, in the partition that has kept least. */
async function deletedUntil(store: Store, source: string, heads: readonly Head[]): Promise<number> {
  const ranges = heads.map(({ topic, partition, first }) => ({ topic, partition, from: first }))
  const rows = await store.readLog(source, ranges, 1)
  const times = heads.map((head) => {
    const row = rows.find(({ topic, partition }) => topic === head.topic && partition === head.partition)
    return row?.appendedAt ?? head.appendedAt + 1
  })
  return Math.max(...times)
}
