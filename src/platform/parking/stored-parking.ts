// Reads what is parked or dead straight from the database: for tools that look at it from beside.
import type { Store } from '../ports.ts'
import type { StoredRow } from './parked-message.ts'

/** A message that its group has passed and not handled. */
export interface Unhandled {
  readonly group: string
  readonly keyName: string
  readonly key: string
  readonly topic: string
  readonly source: string
  readonly partition: number
  readonly sequence: number
  readonly type: string
  /**
   * waiting: it will be tried. dead: a person has to decide. discarded: it never will be, as he decided.
   * edited: another message stood in for it. archived: it was skipped, and its time is over.
   */
  readonly state: 'waiting' | 'dead' | 'discarded' | 'edited' | 'archived'
  readonly code: string
}

const PLACE = 'consumer_group, key_name, key, topic, source, partition, sequence, type'

/** Every message of the service's groups that lies behind a cursor without having been handled. */
export async function readUnhandled(store: Store, service: string): Promise<readonly Unhandled[]> {
  const waiting = await store.query<StoredRow>(`SELECT ${PLACE}, code FROM ${store.tableName(service, 'parked')}`)
  const letters = await store.query<StoredRow>(
    `SELECT ${PLACE}, code, status FROM ${store.tableName(service, 'dead_letters')}
     WHERE status IN (?, ?, ?)`,
    ['dead', 'discarded', 'edited'],
  )
  const archived = await store.query<StoredRow>(
    `SELECT ${PLACE}, code, status FROM ${store.tableName(service, 'archived_letters')} WHERE status IN (?, ?, ?)`,
    ['dead', 'discarded', 'edited'],
  )
  return [
    ...archived.map((row) => unhandledOf(row, stateOf(row) === 'dead' ? 'archived' : stateOf(row))),
    ...waiting.map((row) => unhandledOf(row, 'waiting')),
    ...letters.map((row) => unhandledOf(row, stateOf(row))),
  ]
}

function stateOf(row: StoredRow): 'dead' | 'discarded' | 'edited' {
  const status = String(row['status'])
  return status === 'dead' || status === 'edited' ? status : 'discarded'
}

function unhandledOf(row: StoredRow, state: Unhandled['state']): Unhandled {
  return {
    group: String(row['consumer_group']),
    keyName: String(row['key_name']),
    key: String(row['key']),
    topic: String(row['topic']),
    source: String(row['source']),
    partition: Number(row['partition']),
    sequence: Number(row['sequence']),
    type: String(row['type']),
    state,
    code: String(row['code'] ?? ''),
  }
}
