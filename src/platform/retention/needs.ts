// What is still needed of a log: the lowest record that anybody who reads it has not passed yet.
import type { Head, Store } from '../ports.ts'
import { placeName } from '../rebuild/log-reader.ts'
import type { Group, Registry } from '../runtime/registry.ts'

/** The lowest sequence of a partition that a reader still needs; the head's `next` where it needs none. */
export type NeededFrom = (head: Head) => number

/**
 * One kind of reader, asked afresh at each look: the groups of every database, and the relay to Kafka with its marks.
 * Who can't be asked throws, and nothing is deleted.
 */
export type ReadNeeds = () => Promise<NeededFrom>

/** The lowest sequence that any reader needs. */
export function lowestNeeded(needs: readonly NeededFrom[], head: Head): number {
  return Math.min(head.next, ...needs.map((neededFrom) => neededFrom(head)))
}

interface GroupsToAsk {
  readonly registry: Registry
  /** The store of any service, also one that runs in another process; undefined where its groups read over Kafka. */
  readonly storeOf: (service: string) => Store | undefined
}

interface StoredCursor {
  readonly consumer_group: string
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly next: number
  readonly incarnation: number
}

/** Every declared group by its own database's cursors, whether it runs, is paused, stands still or never ran. */
export function needsOfGroups({ registry, storeOf }: GroupsToAsk): ReadNeeds {
  return async () => {
    const cursors = new Map<string, StoredCursor>()
    for (const service of new Set(registry.groups.map((group) => group.service))) {
      const store = storeOf(service)
      if (store === undefined) continue
      const rows = await store.query<StoredCursor>(
        `SELECT consumer_group, source, topic, partition, next, incarnation
         FROM ${store.tableName(service, 'cursors')}`,
      )
      for (const row of rows) cursors.set(`${row.consumer_group} ${placeName(row)}`, row)
    }
    return (head) => {
      const standing = ({ name }: Group) => standingOf(cursors.get(`${name} ${placeName(head)}`), head)
      const readers = registry.groups.filter(
        ({ topics, service }) => topics.includes(head.topic) && storeOf(service) !== undefined,
      )
      return Math.min(head.next, ...readers.map(standing))
    }
  }
}

/**
 * A group that never ran begins with all that is kept. One that has not followed its source to the incarnation that
 * this went back to will: its number says nothing of what it needs there.
 */
function standingOf(cursor: StoredCursor | undefined, { first, incarnation }: Head): number {
  return cursor === undefined || cursor.incarnation !== incarnation ? first : cursor.next
}
