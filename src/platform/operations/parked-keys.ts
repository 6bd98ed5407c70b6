// Parked keys of every service and database, as people look for them: a page of them, one of them with its queue.
import type { Page, PageKey } from '../../kernel/page.ts'
import { cutPage } from '../../kernel/page.ts'
import type { KeyName, ParkedKey, ParkedState } from '../parking/parked-key.ts'
import { parkedKeyOf } from '../parking/parked-key.ts'
import type { ParkedMessage, StoredRow } from '../parking/parked-message.ts'
import { parkedMessageOf } from '../parking/parked-message.ts'
import type { Cell } from '../ports.ts'
import type { LetterPlace } from './letters.ts'

export interface ParkedFilter {
  readonly group?: string | undefined
  readonly state?: ParkedState | undefined
  readonly key?: string | undefined
  readonly code?: string | undefined
}

/** What its first message failed with: the one that is tried, or the dead one that holds the key. */
export type ListedKey = ParkedKey & { readonly code: string | null; readonly handler: string | null }

const OF_KEY = 'm.consumer_group = k.consumer_group AND m.key_name = k.key_name AND m.key = k.key'

/** A page of the parked keys, those first that were parked first. */
export async function listKeys(
  places: readonly LetterPlace[],
  filter: ParkedFilter,
  { after, limit }: { readonly after?: PageKey | undefined; readonly limit: number },
): Promise<Page<ListedKey>> {
  const { where, values } = whereOf(filter, after)
  const rows = await Promise.all(
    places.map(async (place) => {
      const found = await place.store.query<StoredRow>(
        `SELECT * FROM (${withCause(place)}) AS k ${where}
         ORDER BY parked_at, consumer_group, key_name, key LIMIT ?`,
        [...values, limit + 1],
      )
      return found.map((row) => listedKeyIn(place.service, row))
    }),
  )
  return cutPage(rows.flat().toSorted(byAge), limit, keyOf)
}

/** The parked key with this name; undefined where nothing of it is parked. */
export async function findKey(places: readonly LetterPlace[], name: KeyName): Promise<ListedKey | undefined> {
  const rows = await Promise.all(
    places.map(async (place) => {
      const sql = `SELECT * FROM (${withCause(place)}) AS k WHERE consumer_group = ? AND key_name = ? AND key = ?`
      const found = await place.store.query<StoredRow>(sql, [name.group, name.keyName, name.key])
      return found.map((row) => listedKeyIn(place.service, row))
    }),
  )
  return rows.flat()[0]
}

/** A page of the messages that wait in the key's queue, in their order. */
export async function listQueue(
  places: readonly LetterPlace[],
  { service, group, keyName, key }: ListedKey,
  { after, limit }: { readonly after?: PageKey | undefined; readonly limit: number },
): Promise<Page<ParkedMessage>> {
  const place = places.find((one) => one.service === service)
  if (place === undefined) return { items: [], next: null }
  const rows = await place.store.query<StoredRow>(
    `SELECT * FROM ${place.store.tableName(service, 'parked')}
     WHERE consumer_group = ? AND key_name = ? AND key = ? AND position > ? ORDER BY position LIMIT ?`,
    [group, keyName, key, after?.[0] ?? Number.MIN_SAFE_INTEGER, limit + 1],
  )
  return cutPage(rows.map(parkedMessageOf), limit, ({ position }) => [position])
}

function withCause({ service, store }: LetterPlace): string {
  const queue = store.tableName(service, 'parked')
  const letters = store.tableName(service, 'dead_letters')
  const first = (column: string) => `coalesce(
    (SELECT m.${column} FROM ${queue} AS m WHERE ${OF_KEY} AND k.state = 'retrying' ORDER BY m.position LIMIT 1),
    (SELECT m.${column} FROM ${letters} AS m WHERE ${OF_KEY} AND k.state = 'held' AND m.status = 'dead'
      ORDER BY m.parked_at, m.position LIMIT 1)) AS ${column}`
  return `SELECT k.*, ${first('code')}, ${first('handler')} FROM ${store.tableName(service, 'parked_keys')} AS k`
}

function whereOf({ group, state, key, code }: ParkedFilter, after: PageKey | undefined) {
  const wanted: readonly (readonly [string, Cell | undefined])[] = [
    ['consumer_group = ?', group],
    ['state = ?', state],
    ['key = ?', key],
    ['code = ?', code],
  ]
  const asked = wanted.flatMap(([sql, value]) => (value === undefined ? [] : [{ sql, values: [value] }]))
  const behind = { sql: '(parked_at, consumer_group, key_name, key) > (?, ?, ?, ?)', values: [...(after ?? [])] }
  const all = after === undefined ? asked : [...asked, behind]
  if (all.length === 0) return { where: '', values: [] }
  return { where: `WHERE ${all.map(({ sql }) => sql).join(' AND ')}`, values: all.flatMap(({ values }) => values) }
}

function listedKeyIn(service: string, row: StoredRow): ListedKey {
  const textOrNull = (name: string) => (row[name] === null ? null : String(row[name]))
  return { ...parkedKeyOf(service, row), code: textOrNull('code'), handler: textOrNull('handler') }
}

function keyOf({ parkedAt, group, keyName, key }: ParkedKey): PageKey {
  return [parkedAt, group, keyName, key]
}

function byAge(one: ParkedKey, other: ParkedKey): number {
  if (one.parkedAt !== other.parkedAt) return one.parkedAt - other.parkedAt
  const [name, otherName] = [one, other].map(({ group, keyName, key }) => `${group}\u0000${keyName}\u0000${key}`)
  return (name ?? '') < (otherName ?? '') ? -1 : 1
}
