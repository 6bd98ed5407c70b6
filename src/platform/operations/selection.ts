// Which dead letters a job takes, read and put into their turns: the set that is frozen when the job is asked for.
import { Refusal } from '../../kernel/refuse.ts'
import type { Cell, Store } from '../ports.ts'
import type { LetterPlace as Place } from '../parking/holders.ts'
import { isBefore } from '../parking/holders.ts'
import type { KeyName } from '../parking/parked-key.ts'
import { nameOf } from '../parking/parked-key.ts'
import type { LetterFilter } from './letter-filter.ts'
import { conditionsOf } from './letter-filter.ts'
import type { LetterPlace } from './letters.ts'
import { filterOfCause, listCauses } from './letters.ts'

/** One job's rows and memory stay small: some 30 MB while they are frozen. */
const MAX_LETTERS = 100_000
const PAGE = 5000
/** Ids in one statement; SQLite and PostgreSQL take some 32,000 values. */
const IDS_A_STATEMENT = 500

/** One of the ways to say which letters are meant. */
export type Selection =
  | { readonly letters: readonly string[] }
  | { readonly cause: string }
  | { readonly filter: LetterFilter }
  | { readonly all: true }

/** A letter that a job would take. */
export interface Candidate extends KeyName, Place {
  readonly service: string
  readonly store: Store
  readonly handler: string
  readonly code: string
  readonly redriveCount: number
  readonly status: string
}

/**
 * The letters that are meant, each key's in its order, the first ones of all keys before the second ones.
 *
 * @throws {Refusal} DEAD_LETTER_NOT_FOUND, CAUSE_NOT_FOUND, REDRIVE_TOO_LARGE
 */
export async function selectLetters(
  places: readonly LetterPlace[],
  selection: Selection,
  diedUntil: number,
): Promise<readonly Candidate[]> {
  if ('letters' in selection) return inTurns(await namedLetters(places, selection.letters))
  const filter = await filterOfSelection(places, selection)
  const { where, values } = conditionsOf({ ...filter, status: 'dead' }, [['died_at <= ?', diedUntil]])
  const found: Candidate[] = []
  for (const place of places) {
    for (let after = ''; ; after = found.at(-1)?.id ?? '') {
      const rows = await readCandidates(place, `${where} AND id > ? ORDER BY id LIMIT ${PAGE}`, [...values, after])
      found.push(...rows)
      if (found.length > MAX_LETTERS) throw new Refusal('REDRIVE_TOO_LARGE', { limit: MAX_LETTERS })
      if (rows.length < PAGE) break
    }
  }
  return inTurns(found)
}

async function filterOfSelection(
  places: readonly LetterPlace[],
  selection: Exclude<Selection, { readonly letters: readonly string[] }>,
): Promise<LetterFilter> {
  if ('filter' in selection) return selection.filter
  if ('all' in selection) return {}
  const causes = await listCauses(places, { status: 'dead' })
  const cause = causes.find(({ id }) => id === selection.cause)
  if (cause === undefined) throw new Refusal('CAUSE_NOT_FOUND', { cause: selection.cause })
  return filterOfCause(cause)
}

async function namedLetters(places: readonly LetterPlace[], ids: readonly string[]): Promise<readonly Candidate[]> {
  const wanted = [...new Set(ids)]
  const found: Candidate[] = []
  for (const place of places) {
    for (let from = 0; from < wanted.length; from += IDS_A_STATEMENT) {
      const some = wanted.slice(from, from + IDS_A_STATEMENT)
      found.push(...(await readCandidates(place, `WHERE id IN (${some.map(() => '?').join(', ')})`, some)))
    }
  }
  const known = new Set(found.map(({ id }) => id))
  const unknown = wanted.filter((id) => !known.has(id))
  if (unknown.length > 0) throw new Refusal('DEAD_LETTER_NOT_FOUND', { ids: unknown.slice(0, 20) })
  return found
}

async function readCandidates(
  { service, store }: LetterPlace,
  where: string,
  values: readonly Cell[],
): Promise<readonly Candidate[]> {
  const rows = await store.query<Omit<Candidate, 'service' | 'store'>>(
    `SELECT id, consumer_group AS "group", key_name AS "keyName", key, parked_at AS "parkedAt", position, sequence,
       handler, code, redrive_count AS "redriveCount", status
     FROM ${store.tableName(service, 'dead_letters')} ${where}`,
    values,
  )
  return rows.map((row) => ({ service, store, ...row }))
}

/** So a key with a thousand letters, which go one by one, does not make all others wait. */
function inTurns(letters: readonly Candidate[]): readonly Candidate[] {
  const keys = [...Map.groupBy(letters, nameOf).values()].map((own) => own.toSorted(byOrder))
  const turns = keys.flatMap((own) => own.map((letter, turn) => ({ letter, turn })))
  return turns
    .toSorted((one, other) => one.turn - other.turn || byOrder(one.letter, other.letter))
    .map(({ letter }) => letter)
}

function byOrder(one: Candidate, other: Candidate): number {
  if (one.id === other.id) return 0
  return isBefore(one, other) ? -1 : 1
}
