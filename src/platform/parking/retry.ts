// The retry of a parked key: its first message and some of those behind it, as they were read for a batch.
import type { Cell, Store } from '../ports.ts'
import type { Group, Registry } from '../runtime/registry.ts'
import { readHolders } from './holders.ts'
import type { Parking } from './parking.ts'
import type { ParkedKey } from './parked-key.ts'
import { nameOf } from './parked-key.ts'
import type { ParkedMessage, StoredRow } from './parked-message.ts'
import { parkedMessageOf } from './parked-message.ts'

/** Messages of one key that a batch takes; then the key goes to the back of the queue. */
const MESSAGES_A_KEY = 32

export interface Retry {
  readonly group: Group
  readonly parked: ParkedKey
  /** In their order, from the first on. */
  readonly messages: readonly ParkedMessage[]
  /** Another dead letter holds the key: only what was redriven may go. */
  readonly isHeldAfter: boolean
  /** The store refused what the first one led to: it failed without a word of its handler. */
  readonly refused?: unknown
}

/** The retries whose time has come; nothing is read where nothing is due. */
export async function dueRetries(
  options: { readonly store: Store; readonly registry: Registry; readonly parking: Parking },
  now: number,
): Promise<readonly Retry[]> {
  const { parking } = options
  if (parking.isStale) await parking.recall()
  const due = parking.due(now)
  if (due.length === 0) return []
  const retries = await readRetries(options, due)
  // A key without messages was freed elsewhere, by a rebuild or a person.
  if (retries.length < due.length) parking.forget()
  return retries
}

/** Reads the queues of these keys: one statement a service. */
async function readRetries(
  { store, registry }: { readonly store: Store; readonly registry: Registry },
  keys: readonly ParkedKey[],
): Promise<Retry[]> {
  const queues = new Map<string, ParkedMessage[]>()
  for (const [service, own] of Map.groupBy(keys, (parked) => parked.service)) {
    for (const message of await readQueues(store, service, own)) {
      const name = nameOf(message)
      const queue = queues.get(name)
      if (queue === undefined) queues.set(name, [message])
      else queue.push(message)
    }
  }
  const retries = keys.flatMap((parked): Retry[] => {
    const messages = queues.get(nameOf(parked))?.toSorted((one, other) => one.position - other.position)
    const group = registry.groups.find(({ name }) => name === parked.group)
    return messages === undefined || group === undefined ? [] : [{ group, parked, messages, isHeldAfter: false }]
  })
  return Promise.all(retries.map((retry) => withHolders({ store, registry }, retry)))
}

/** Only where something was redriven there may be another dead letter that holds the key. */
async function withHolders(
  options: { readonly store: Store; readonly registry: Registry },
  retry: Retry,
): Promise<Retry> {
  if (retry.messages.every(({ deadLetter }) => deadLetter === null)) return retry
  const holders = await readHolders(options, retry.parked)
  return { ...retry, isHeldAfter: holders.length > 0 }
}

async function readQueues(store: Store, service: string, keys: readonly ParkedKey[]): Promise<ParkedMessage[]> {
  const one = `SELECT * FROM (SELECT * FROM ${store.tableName(service, 'parked')}
    WHERE consumer_group = ? AND key_name = ? AND key = ? ORDER BY position LIMIT ${MESSAGES_A_KEY}) AS queue`
  const sql = keys.map(() => one).join(' UNION ALL ')
  const values = keys.flatMap(({ group, keyName, key }): Cell[] => [group, keyName, key])
  return (await store.query<StoredRow>(sql, values)).map(parkedMessageOf)
}
