// What people did about the dead letters of one story: who, when and why, as the audit has it.
import type { AuditEntry } from '../audit/audit.ts'
import { auditEntriesOf } from '../audit/audit.ts'
import type { Store } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import type { ToldEntry } from '../runtime/story-order.ts'
import { MESSAGE_DIED } from '../../kernel/message-died.ts'
import { deadLettersTable } from '../store/tables.ts'
import { jobLettersName } from './redrive-job.ts'

/** More letters than these are a bug's, not an order's. */
const MAX_LETTERS = 200
const NOT_TOUCHED = ['waiting', 'left-out']

interface Place {
  readonly store: Store
  readonly registry: Registry
  readonly services: readonly string[]
}

/** A letter as a deed names it. */
interface Named {
  readonly service: string
  readonly group: string
  readonly type: string
}

/** @param entries the story so far: it names letters that were archived since */
export async function readDeeds(
  place: Place,
  correlation: string,
  entries: readonly ToldEntry[],
): Promise<readonly ToldEntry[]> {
  const letters = new Map([...namedIn(entries), ...(await storedLetters(place, correlation))].slice(0, MAX_LETTERS))
  if (letters.size === 0) return []
  const { store } = place
  const jobs = await jobsOf(store, [...letters.keys()])
  const targets = [...letters.keys(), ...jobs.map(({ job }) => `job ${job}`)]
  const deeds = await auditEntriesOf(store, [...new Set(targets)])
  return deeds.flatMap((deed) => {
    const together = jobs.filter(({ job }) => deed.target === `job ${job}`).map(({ letter }) => letter)
    return [deed.target, ...together].flatMap((letter) => {
      const named = letters.get(letter)
      return named === undefined ? [] : [toldOf(deed, letter, named)]
    })
  })
}

function toldOf({ at, action, principal, reason, target, details }: AuditEntry, letter: string, named: Named) {
  const { service, group, type } = named
  const fields = details?.['fields']
  const job = target === letter ? {} : { job: target.replace(/^job /u, '') }
  const told: ToldEntry = {
    at,
    service,
    what: 'person',
    name: action,
    cause: `${type} in ${group}, by ${principal}`,
    data: { letter, reason, ...job, ...(fields === undefined ? {} : { fields }) },
  }
  return told
}

function namedIn(entries: readonly ToldEntry[]): [string, Named][] {
  return entries.flatMap(({ name, service, data }): [string, Named][] => {
    if (name !== MESSAGE_DIED) return []
    const { deadLetterId, group, type } = Object(data) as Readonly<Record<string, unknown>>
    return [[String(deadLetterId), { service, group: String(group), type: String(type) }]]
  })
}

/** Projections give a message up without an event, and an edited message dies or not under an id of its own. */
async function storedLetters({ store, registry, services }: Place, key: string): Promise<[string, Named][]> {
  const keyNames = [...new Set([...registry.messages.values()].map((message) => message.key))]
  const found: [string, Named][] = []
  for (const service of services) {
    const groups = registry.groups.filter((group) => group.service === service).map(({ name }) => name)
    if (groups.length === 0) continue
    const { schema, name } = deadLettersTable(service)
    const rows = await store.query<{ readonly id: string; readonly consumer_group: string; readonly type: string }>(
      `SELECT id, consumer_group, type FROM ${store.tableName(schema, name)}
       WHERE consumer_group IN (${marks(groups)}) AND key_name IN (${marks(keyNames)}) AND key = ?
       ORDER BY id LIMIT ${MAX_LETTERS}`,
      [...groups, ...keyNames, key],
    )
    found.push(...rows.map(({ id, consumer_group: group, type }): [string, Named] => [id, { service, group, type }]))
  }
  return found
}

/** The jobs that sent these letters or gave them up. */
function jobsOf(store: Store, letters: readonly string[]) {
  return store.query<{ readonly job: string; readonly letter: string }>(
    `SELECT job, letter FROM ${jobLettersName(store)}
     WHERE letter IN (${marks(letters)}) AND state NOT IN (${marks(NOT_TOUCHED)})`,
    [...letters, ...NOT_TOUCHED],
  )
}

function marks(values: readonly unknown[]): string {
  return values.map(() => '?').join(', ')
}
