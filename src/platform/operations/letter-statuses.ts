// How some dead letters stand, without their bodies; and a few of them whole, for a transaction that changes them.
import type { DeadLetter, DeadLetterStatus } from '../parking/dead-letter.ts'
import { deadLetterIn } from '../parking/dead-letter.ts'
import { storedRowOf } from '../parking/parked-message.ts'
import type { Store, Transaction } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import { sorted } from '../runtime/working-set.ts'

/** Ids in one statement; SQLite and PostgreSQL take some 32,000 values. */
const IDS_A_STATEMENT = 500

export interface LetterState {
  readonly id: string
  readonly status: DeadLetterStatus
  readonly code: string
  readonly redriveCount: number
}

export type LetterStatuses = ReadonlyMap<string, LetterState>

interface Wanted {
  readonly service: string
  readonly letter: string
}

export async function readStatuses(store: Store, wanted: readonly Wanted[]): Promise<LetterStatuses> {
  const found = new Map<string, LetterState>()
  for (const [service, own] of Map.groupBy(wanted, (one) => one.service)) {
    for (let from = 0; from < own.length; from += IDS_A_STATEMENT) {
      const ids = own.slice(from, from + IDS_A_STATEMENT).map(({ letter }) => letter)
      const rows = await store.query<LetterState>(
        `SELECT id, status, code, redrive_count AS "redriveCount" FROM ${store.tableName(service, 'dead_letters')}
         WHERE id IN (${ids.map(() => '?').join(', ')})`,
        ids,
      )
      for (const row of rows) found.set(row.id, row)
    }
  }
  return found
}

/** The letters that exist, by id. */
export async function loadLetters(
  registry: Registry,
  transaction: Transaction,
  wanted: readonly Wanted[],
): Promise<ReadonlyMap<string, DeadLetter>> {
  const found = new Map<string, DeadLetter>()
  for (const [service, own] of Map.groupBy(wanted, (one) => one.service)) {
    const table = registry.tables.get(service)?.deadLetters
    if (table === undefined) continue
    for (const cells of await transaction.load(table, sorted(own.map(({ letter }) => [letter])))) {
      const letter = deadLetterIn(storedRowOf(table, cells))
      found.set(letter.id, letter)
    }
  }
  return found
}
