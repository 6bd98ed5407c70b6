// Which dead letters hold their key: as long as one of them waits for a person, nothing that came after it may go.
import { MESSAGE_DIED } from '../../kernel/message-died.ts'
import type { Store } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import type { KeyName } from './parked-key.ts'
import { policyOf } from './policy.ts'

/** Where a letter stands among those of its key: a smaller one came before. */
export interface LetterPlace {
  readonly id: string
  readonly parkedAt: number
  readonly position: number
  readonly sequence: number
}

/** The oldest one, and another one to tell by whether any is left without it. */
const WANTED = 2

/**
 * The oldest letters that hold the key. A service may hold for one topic and skip for another, and a new program may
 * hold where the one before skipped: so a key can have several dead letters, of which some hold it.
 */
export async function readHolders(
  { store, registry }: { readonly store: Store; readonly registry: Registry },
  { group: name, keyName, key }: KeyName,
): Promise<readonly LetterPlace[]> {
  const group = registry.groups.find((one) => one.name === name)
  const service = registry.services.find((one) => one.name === group?.service)
  if (group === undefined || service === undefined) return []
  const policy = policyOf(group, service)
  const topics = group.topics.filter((topic) => policy.whenDead(topic) === 'hold')
  if (topics.length === 0) return []
  return store.query<LetterPlace>(
    `SELECT id, parked_at AS "parkedAt", position, sequence FROM ${store.tableName(service.name, 'dead_letters')}
     WHERE consumer_group = ? AND key_name = ? AND key = ? AND status = 'dead' AND type <> ?
       AND topic IN (${topics.map(() => '?').join(', ')})
     ORDER BY parked_at, position, sequence, id LIMIT ${WANTED}`,
    [name, keyName, key, MESSAGE_DIED, ...topics],
  )
}

/** Whether one letter of a key came before another. */
export function isBefore(one: LetterPlace, other: LetterPlace): boolean {
  const order = one.parkedAt - other.parkedAt || one.position - other.position || one.sequence - other.sequence
  return order === 0 ? one.id < other.id : order < 0
}
