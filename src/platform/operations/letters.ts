// Dead letters of every service and database, as people look for them: a page of them, their causes, one of them.
import { createHash } from 'node:crypto'
import type { Page, PageKey } from '../../kernel/page.ts'
import { cutPage } from '../../kernel/page.ts'
import type { DeadLetter } from '../parking/dead-letter.ts'
import { deadLetterIn } from '../parking/dead-letter.ts'
import type { StoredRow } from '../parking/parked-message.ts'
import type { Store } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import { deadLettersTable } from '../store/tables.ts'
import type { LetterFilter } from './letter-filter.ts'
import { conditionsOf } from './letter-filter.ts'

/** Where the letters of one service lie. */
export interface LetterPlace {
  readonly service: string
  readonly store: Store
}

/** A letter as lists show it: without its body, which may tell of persons. */
export type ListedLetter = Omit<DeadLetter, 'record'> & { readonly service: string }
export type FoundLetter = DeadLetter & { readonly service: string }

/** Letters that one handler gave up for one reason. */
export interface LetterCause {
  /** Names the cause in a redrive: made of group, handler, type, class and code. */
  readonly id: string
  readonly group: string
  readonly handler: string
  readonly type: string
  readonly faultClass: string
  readonly code: string
  /** That of one of them. */
  readonly message: string
  readonly count: number
  readonly keys: number
  readonly firstAt: number
  readonly lastAt: number
}

/** Causes that are told of each service, the most frequent first. */
const MAX_CAUSES = 500
const ID_LENGTH = 12

/** Bodies are large and personal, stacks are large: a list needs neither. */
const LISTED = deadLettersTable('')
  .columns.map(({ name }) => name)
  .filter((name) => name !== 'record' && name !== 'stack')
  .join(', ')

/** The services that keep dead letters, each with its database. */
export function letterPlaces(
  registry: Registry,
  databases: readonly { readonly store: Store; readonly services: readonly string[] }[],
): readonly LetterPlace[] {
  return databases.flatMap(({ store, services }) =>
    services.filter((service) => registry.tables.has(service)).map((service) => ({ service, store })),
  )
}

/** A page of the letters that the filter means, the youngest death first. */
export async function listLetters(
  places: readonly LetterPlace[],
  filter: LetterFilter,
  { after, limit }: { readonly after?: PageKey | undefined; readonly limit: number },
): Promise<Page<ListedLetter>> {
  const [diedAt = 0, id = ''] = after ?? []
  const { where, values } = conditionsOf(
    filter,
    after === undefined ? [] : [['(died_at < ? OR (died_at = ? AND id < ?))', diedAt, diedAt, id]],
  )
  const rows = await ofAll(places, async ({ service, store }) => {
    const sql = `SELECT ${LISTED} FROM ${store.tableName(service, 'dead_letters')} ${where}
      ORDER BY died_at DESC, id DESC LIMIT ?`
    const found = await store.query<StoredRow>(sql, [...values, limit + 1])
    return found.map((row): ListedLetter => ({ service, ...deadLetterIn({ record: '', stack: '', ...row }) }))
  })
  const ordered = rows.toSorted((one, other) => other.diedAt - one.diedAt || (one.id < other.id ? 1 : -1))
  return cutPage(ordered, limit, (letter) => [letter.diedAt, letter.id])
}

/** The causes of the letters that the filter means, the most frequent first. */
export async function listCauses(places: readonly LetterPlace[], filter: LetterFilter): Promise<LetterCause[]> {
  const { where, values } = conditionsOf(filter)
  const causes = await ofAll(places, async ({ service, store }) => {
    const sql = `SELECT consumer_group, handler, type, fault_class, code, min(message) AS message, count(*) AS letters,
      count(DISTINCT key_name || ' ' || key) AS keys, min(first_failed_at) AS first_at, max(died_at) AS last_at
      FROM ${store.tableName(service, 'dead_letters')} ${where}
      GROUP BY consumer_group, handler, type, fault_class, code ORDER BY letters DESC LIMIT ${MAX_CAUSES}`
    return (await store.query<StoredRow>(sql, values)).map(causeIn)
  })
  return causes.toSorted((one, other) => other.count - one.count || (one.id < other.id ? -1 : 1))
}

/** The letter with this id, with its body; undefined where there is none. */
export async function findLetter(places: readonly LetterPlace[], id: string): Promise<FoundLetter | undefined> {
  const [letter] = await ofAll(places, async ({ service, store }) => {
    const sql = `SELECT * FROM ${store.tableName(service, 'dead_letters')} WHERE id = ?`
    return (await store.query<StoredRow>(sql, [id])).map((row): FoundLetter => ({ service, ...deadLetterIn(row) }))
  })
  return letter
}

/** What letters of one cause have in common. */
export function causeId(cause: Pick<LetterCause, 'group' | 'handler' | 'type' | 'faultClass' | 'code'>): string {
  const { group, handler, type, faultClass, code } = cause
  const name = JSON.stringify([group, handler, type, faultClass, code])
  return createHash('sha256').update(name).digest('hex').slice(0, ID_LENGTH)
}

/** The cause as a filter: its letters and no others. */
export function filterOfCause({ group, handler, type, faultClass, code }: LetterCause): LetterFilter {
  return { group, handler, type, faultClass, code }
}

function causeIn(row: StoredRow): LetterCause {
  const cause = {
    group: String(row['consumer_group']),
    handler: String(row['handler']),
    type: String(row['type']),
    faultClass: String(row['fault_class']),
    code: String(row['code']),
  }
  return {
    id: causeId(cause),
    ...cause,
    message: String(row['message']),
    count: Number(row['letters']),
    keys: Number(row['keys']),
    firstAt: Number(row['first_at']),
    lastAt: Number(row['last_at']),
  }
}

async function ofAll<Place, Found>(
  places: readonly Place[],
  read: (place: Place) => Promise<readonly Found[]>,
): Promise<Found[]> {
  return (await Promise.all(places.map(read))).flat()
}
