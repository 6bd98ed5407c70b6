// What a person does with dead letters: sent again, in the order of their key, or given up with a reason.
import type { Role } from '../../kernel/route.ts'
import { auditWrites } from '../audit/audit.ts'
import type { Clock, Plan, Store, Write } from '../ports.ts'
import { Conflict } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import { KILLER_CODES } from '../takeover/stored-hand.ts'
import type { DeadLetter } from './dead-letter.ts'
import { deadLetterIn } from './dead-letter.ts'
import type { Case, Docket, Hindrance } from './docket.ts'
import { openDocket, placeOf } from './docket.ts'
import { storedRowOf } from './parked-message.ts'

/** A key that is retried at the same moment moves; more often in a row it does not. */
const MAX_CONFLICTS = 10

export interface OfficeOptions {
  readonly registry: Registry
  /** The database that keeps the service's parked keys. */
  readonly store: Store
  readonly service: string
  readonly clock: Clock
  readonly newId: () => string
}

/** What a person decided about a dead letter, and why. */
export interface Decision {
  readonly id: string
  readonly reason: string
  /** Who decided; written to the audit. */
  readonly by?: { readonly principal: string; readonly role: Role }
}

/** An older letter of the same key has to go first. */
export class LetterHindered extends Error {
  override readonly name = 'LetterHindered'
  readonly hindrance: Hindrance

  constructor(id: string, hindrance: Hindrance) {
    super(`The dead letter ${id} can't go now: ${hindrance}.`)
    this.hindrance = hindrance
  }
}

/**
 * Sends a dead letter again: it goes back to its place in its key's queue, before all that came after it.
 *
 * @returns the dead letter as it is now; undefined where there is none that waits for a decision.
 * @throws {LetterHindered} an older one of its key has to go first.
 */
export function redrive(options: OfficeOptions, decision: Decision): Promise<DeadLetter | undefined> {
  return decide(options, { ...decision, action: 'dead-letter.redrive' }, (docket, one, { now, reason }) => {
    return sendAgain(docket, one, { now, reason })
  })
}

/**
 * Gives a dead letter up; whoever waits behind it goes on.
 *
 * @returns the dead letter as it is now; undefined where there is none that waits for a decision.
 */
export function discard(options: OfficeOptions, decision: Decision): Promise<DeadLetter | undefined> {
  return decide(options, { ...decision, action: 'dead-letter.discard' }, giveUp)
}

export interface Moment {
  readonly now: number
  readonly reason: string
}

/** Puts a letter back into its key's queue. @throws {LetterHindered} */
export function sendAgain(docket: Docket, one: Case, { now, reason }: Moment): DeadLetter {
  const { letter, service } = one
  const { version, redriveCount } = letter
  const sent: DeadLetter = {
    ...letter,
    version: version + 1,
    status: 'redriving',
    redriveCount: redriveCount + 1,
    reason,
  }
  rejoin(docket, one, { letter: sent, now })
  docket.changes.letter(service, sent)
  return sent
}

/** The letter, or the one that stands in for it, goes to its place: whatever waits there came after it. */
export function rejoin(
  { changes }: Docket,
  one: Case,
  { letter, now }: { readonly letter: DeadLetter; readonly now: number },
): void {
  const { service, key, first, hindrance } = one
  if (hindrance !== undefined) throw new LetterHindered(letter.id, hindrance)
  const { group, keyName, position: place } = letter
  // Where the key was free meanwhile, the numbers of its queue began anew.
  const position = first === undefined ? place : Math.min(place, first - 1)
  // One that killed its process says so in its queue: it is tried alone.
  const failure = KILLER_CODES.has(letter.failure.code) ? letter.failure : undefined
  const fresh = { ...letter, attempts: 0, firstFailedAt: null, lastFailedAt: null, failure }
  changes.join(service, { ...fresh, position, deadLetter: letter.id })
  const empty = { messages: 0, tail: 0, firstFailedAt: now, parkedAt: now, version: 0 }
  const waiting = key ?? { ...placeOf({ service, letter }), group, keyName, key: letter.key, ...empty }
  const tail = Math.max(waiting.tail, position)
  changes.save({ ...waiting, state: 'retrying', due: now, attempts: 0, messages: waiting.messages + 1, tail })
}

/** Gives a letter up: its key goes on, unless another letter holds it. */
export function giveUp({ changes }: Docket, one: Case, { now, reason }: Moment): DeadLetter {
  const { letter, service, key, isHeldByAnother } = one
  const given: DeadLetter = { ...letter, version: letter.version + 1, status: 'discarded', reason }
  changes.letter(service, given)
  const goesOn = key?.state === 'held' && !isHeldByAnother
  if (key !== undefined && goesOn && key.messages === 0) changes.release(key)
  else if (key !== undefined && goesOn) changes.save({ ...key, state: 'retrying', attempts: 0, due: now })
  // A retry under way may have read that this letter holds the key: it has to look again.
  else if (key !== undefined) changes.save(key)
  return given
}

type Decide = (docket: Docket, one: Case, moment: Moment) => DeadLetter

interface Deciding extends Decision {
  readonly action: string
}

/** Runs one decision about one letter in a transaction of its own; again where its key moved meanwhile. */
async function decide(options: OfficeOptions, deciding: Deciding, verdict: Decide): Promise<DeadLetter | undefined> {
  for (let conflicts = 0; ; conflicts += 1) {
    try {
      return await decideOnce(options, deciding, verdict)
    } catch (error) {
      if (!(error instanceof Conflict) || conflicts >= MAX_CONFLICTS) throw error
    }
  }
}

async function decideOnce(
  options: OfficeOptions,
  { id, reason, by, action }: Deciding,
  verdict: Decide,
): Promise<DeadLetter | undefined> {
  const { store, registry, service, clock, newId } = options
  const table = registry.tables.get(service)?.deadLetters
  if (table === undefined) throw new Error(`No service ${service} is declared.`)
  const now = clock.now()
  const transaction = await store.begin()
  try {
    const [cells] = await transaction.load(table, [[id]])
    const letter = cells === undefined ? undefined : deadLetterIn(storedRowOf(table, cells))
    if (letter?.status !== 'dead') return undefined
    const docket = await openDocket({ store, registry, transaction }, [{ service, letter }])
    const [one] = docket.cases
    if (one === undefined) return undefined
    const decided = verdict(docket, one, { now, reason })
    const deed = {
      id: newId(),
      at: now,
      action,
      target: id,
      reason,
      details: { group: letter.group, type: letter.type },
    }
    const audit = by === undefined ? [] : auditWrites([{ ...deed, ...by }])
    await transaction.commit(planOf(registry, [...docket.changes.writes(registry), ...audit], now))
    return decided
  } finally {
    await transaction.release()
  }
}

/** Writes of a person's decision, in the one lock order. */
export function planOf(registry: Registry, writes: readonly Write[], now: number): Plan {
  const ordered = writes.toSorted((one, other) => registry.lockOrder(one.table) - registry.lockOrder(other.table))
  return { writes: ordered, appends: [], appendedAt: now, transaction: 0 }
}
