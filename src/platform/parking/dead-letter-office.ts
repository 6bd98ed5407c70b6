// What a person does with one dead letter: send it again, in the order of its key, or give it up with a reason.
import { topicNamed } from '../../kernel/message.ts'
import type { Clock, Row, Store, Table, Transaction } from '../ports.ts'
import { parkingLotsTable } from '../store/tables.ts'
import type { Registry, ServiceTables } from '../runtime/registry.ts'
import type { DeadLetter } from './dead-letter.ts'
import { deadLetterIn } from './dead-letter.ts'
import type { ParkedKey } from './parked-key.ts'
import { lotOf, parkedKeyOf } from './parked-key.ts'
import { storedRowOf } from './parked-message.ts'
import { ParkingChanges } from './parking-changes.ts'

export interface OfficeOptions {
  readonly registry: Registry
  /** The database that keeps the service's parked keys. */
  readonly store: Store
  readonly service: string
  readonly clock: Clock
}

/** What a person decided about a dead letter, and why. */
export interface Decision {
  readonly id: string
  readonly reason: string
}

/**
 * Sends a dead letter again: it goes back to its place in its key's queue, before all that came after it.
 *
 * @returns the dead letter as it is now; undefined where there is none that waits for a decision.
 * @throws {Conflict} the key moved meanwhile: ask again.
 */
export function redrive(options: OfficeOptions, decision: Decision): Promise<DeadLetter | undefined> {
  return decide(options, decision, ({ changes, letter, key, first, now }) => {
    const { id, group, keyName, position: place } = letter
    const fresh = { ...letter, attempts: 0, firstFailedAt: null, lastFailedAt: null, failure: undefined }
    // Under the policy `skip` its followers went on long ago: it can only join whoever waits there now.
    const position = first === undefined || place < first ? place : (key?.tail ?? 0) + 1
    changes.join(options.service, { ...fresh, position, deadLetter: id })
    const waiting = key ?? {
      service: options.service,
      group,
      keyName,
      key: letter.key,
      version: 0,
      partitions: topicNamed(letter.topic).partitions,
      partition: letter.partition,
      messages: 0,
      tail: 0,
      firstFailedAt: now,
      parkedAt: now,
    }
    const goesFirst = first === undefined || position < first
    const turn = goesFirst || key === undefined ? { due: now, attempts: 0 } : { due: key.due, attempts: key.attempts }
    const tail = Math.max(waiting.tail, position)
    changes.save({ ...waiting, ...turn, state: 'retrying', messages: waiting.messages + 1, tail })
    return { status: 'redriving', redriveCount: letter.redriveCount + 1 }
  })
}

/**
 * Gives a dead letter up; whoever waits behind it goes on.
 *
 * @returns the dead letter as it is now; undefined where there is none that waits for a decision.
 * @throws {Conflict} the key moved meanwhile: ask again.
 */
export function discard(options: OfficeOptions, decision: Decision): Promise<DeadLetter | undefined> {
  return decide(options, decision, ({ changes, key, now }) => {
    if (key?.state === 'held') {
      if (key.messages === 0) changes.release(key)
      else changes.save({ ...key, state: 'retrying', attempts: 0, due: now })
    }
    return { status: 'discarded' }
  })
}

interface Case {
  readonly changes: ParkingChanges
  readonly letter: DeadLetter
  readonly key: ParkedKey | undefined
  /** The position of the first message that waits behind it. */
  readonly first: number | undefined
  readonly now: number
}

type Verdict = Pick<DeadLetter, 'status'> & Partial<Pick<DeadLetter, 'redriveCount'>>

async function decide(
  options: OfficeOptions,
  { id, reason }: Decision,
  verdictOf: (about: Case) => Verdict,
): Promise<DeadLetter | undefined> {
  const { store, registry, service, clock } = options
  const tables = registry.tables.get(service)
  if (tables === undefined) throw new Error(`No service ${service} is declared.`)
  const now = clock.now()
  const transaction = await store.begin()
  try {
    const letter = await readLetter(transaction, tables.deadLetters, id)
    if (letter?.status !== 'dead') return undefined
    const { changes, key } = await openCase({ transaction, tables, service }, letter)
    const verdict = verdictOf({ changes, letter, key, first: await firstBehind(store, service, letter), now })
    const decided = { ...letter, ...verdict, version: letter.version + 1, reason }
    changes.letter(service, decided)
    await transaction.commit({ writes: changes.writes(registry), appends: [], appendedAt: now, transaction: 0 })
    return decided
  } finally {
    await transaction.release()
  }
}

async function readLetter(transaction: Transaction, table: Table, id: string): Promise<DeadLetter | undefined> {
  const [cells] = await transaction.load(table, [[id]])
  return cells === undefined ? undefined : deadLetterIn(storedRowOf(table, cells))
}

interface Desk {
  readonly transaction: Transaction
  readonly tables: ServiceTables
  readonly service: string
}

/** The letter's key as it is stored, and changes over it. */
async function openCase({ transaction, tables, service }: Desk, { group, keyName, key, ...letter }: DeadLetter) {
  const [cells] = await transaction.load(tables.parkedKeys, [[group, keyName, key]])
  const found = cells === undefined ? undefined : parkedKeyOf(service, storedRowOf(tables.parkedKeys, cells))
  const { partitions, partition } = found ?? {
    partitions: topicNamed(letter.topic).partitions,
    partition: letter.partition,
  }
  const [lot] = await transaction.load(parkingLotsTable, [[lotOf({ service, partitions, partition })]])
  const changes = new ParkingChanges({
    find: () => found,
    load: () => ({ keys: 0, messages: 0 }),
    lotVersion: () => lotVersionOf(lot),
    apply: () => undefined,
  })
  return { changes, key: found }
}

function lotVersionOf(lot: Row | undefined): number {
  return lot === undefined ? 0 : Number(lot[1])
}

async function firstBehind(store: Store, service: string, { group, keyName, key }: DeadLetter) {
  const [row] = await store.query<{ readonly first: number | null }>(
    `SELECT min(position) AS first FROM ${store.tableName(service, 'parked')}
     WHERE consumer_group = ? AND key_name = ? AND key = ?`,
    [group, keyName, key],
  )
  return row?.first ?? undefined
}
