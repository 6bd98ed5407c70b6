// A key of which a message could not be handled: its later messages wait in a queue behind it, all other keys flow on.
import { topicNamed } from '../../kernel/message.ts'
import type { Cell, Row } from '../ports.ts'

/** retrying: its first message is tried again; held: its first message is dead, and a person decides. */
export type ParkedState = 'retrying' | 'held'

/** As its row says; never changed in place, so that a batch that is rolled back leaves memory as it was. */
export interface ParkedKey {
  readonly service: string
  readonly group: string
  /** The field by which its messages name the key: topics keyed by the same field share one queue. */
  readonly keyName: string
  readonly key: string
  readonly version: number
  /** Where it is retried: leases go by (count of partitions, partition). */
  readonly partitions: number
  readonly partition: number
  readonly state: ParkedState
  /** When the first message is tried again. */
  readonly due: number
  /** Tries of the first message so far. */
  readonly attempts: number
  /** How many messages wait, the one that is tried included. */
  readonly messages: number
  /** The position of the last one that joined. */
  readonly tail: number
  readonly firstFailedAt: number
  readonly parkedAt: number
}

/** What tells a parked key from all others of a database. */
export type KeyName = Pick<ParkedKey, 'group' | 'keyName' | 'key'>

/** A separator that no stored text holds joins the parts. */
export function nameOf({ group, keyName, key }: KeyName): string {
  return `${group}\u0000${keyName}\u0000${key}`
}

/**
 * Where what is parked of a topic's partition is retried. Leases of the count that was declared are shared out for
 * ever, those of a count in between only by processes that saw it: after 6, 8, 13 partitions and a restart, a key that
 * was parked by the second count was nobody's.
 */
export function retryPlaceOf({ topic, partition }: { readonly topic: string; readonly partition: number }) {
  const { partitions } = topicNamed(topic)
  return { partitions, partition: partition % partitions }
}

/** The lot that a key lies in: what tells other processes that the keys parked there have changed. */
export function lotOf({ service, partitions, partition }: Pick<ParkedKey, 'service' | 'partitions' | 'partition'>) {
  return `${service} ${partitions}/${partition}`
}

export function keyCells(parked: ParkedKey): Row {
  const { group, keyName, key, version, partitions, partition, state, due, attempts, messages, tail } = parked
  return [
    group,
    keyName,
    key,
    version,
    partitions,
    partition,
    state,
    due,
    attempts,
    messages,
    tail,
    parked.firstFailedAt,
    parked.parkedAt,
  ]
}

/** A row of `parked_keys` as `Store.query` gives it. */
export type StoredKey = Readonly<Record<string, Cell>>

export function parkedKeyOf(service: string, row: StoredKey): ParkedKey {
  const text = (name: string) => String(row[name])
  const number = (name: string) => Number(row[name])
  return {
    service,
    group: text('consumer_group'),
    keyName: text('key_name'),
    key: text('key'),
    version: number('version'),
    partitions: number('partitions'),
    partition: number('partition'),
    state: text('state') === 'held' ? 'held' : 'retrying',
    due: number('due'),
    attempts: number('attempts'),
    messages: number('messages'),
    tail: number('tail'),
    firstFailedAt: number('first_failed_at'),
    parkedAt: number('parked_at'),
  }
}
