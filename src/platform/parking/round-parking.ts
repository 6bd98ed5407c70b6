// Decides for each record of a batch: handled, queued behind its parked key, tried again in place, or set aside.
import type { LogRecord } from '../log/record.ts'
import { MESSAGE_DIED } from '../../kernel/message-died.ts'
import type { Transaction, Write } from '../ports.ts'
import type { Cursor } from '../runtime/channels.ts'
import type { Fault, Pause } from '../runtime/round-context.ts'
import { parkingLotsTable } from '../store/tables.ts'
import type { HandlerName } from './breakers.ts'
import { mirrorWrites } from './mirror-row.ts'
import { QUICK_TRIES } from './policy.ts'
import type { ParkingNote, RoundParts } from './setting-aside.ts'
import { SettingAside } from './setting-aside.ts'

/** Other keys that are asked before a handler is taken to be down, or a message to be bad. */
const OTHERS_ASKED = 32
/** A cursor that may park no more is looked at again after this long. */
const FULL_RECHECK_MS = 5000

/** A record whose turn it is, among those of its cursor. */
export interface Turn {
  readonly cursor: Cursor
  readonly record: LogRecord
  readonly records: readonly LogRecord[]
  readonly index: number
}

/** handle: it is its handler's turn. passed: the cursor goes on without. stopped: the cursor stands before it. */
export type Fate = 'handle' | 'passed' | 'stopped'

export class RoundParking {
  readonly aside: SettingAside
  /** Records that are tried again in place. */
  readonly faults: Fault[] = []
  /** Cursors that wait for a paused handler, or for room. */
  readonly pauses: Pause[] = []
  readonly #parts: RoundParts
  /**
   * When each paused handler might be probed as the batch began. Every partition may send a probe then, also when the
   * retry of a parked key has failed before it: parked keys alone would keep a handler paused for ever.
   */
  readonly #probes = new Map<string, number>()

  constructor(parts: RoundParts) {
    this.#parts = parts
    this.aside = new SettingAside(parts)
    const { breakers } = parts.parking
    for (const handler of breakers.open) this.#probes.set(placeOf(handler), breakers.probeAt(handler) ?? parts.now)
  }

  get notes(): readonly ParkingNote[] {
    return this.aside.notes
  }

  get isEmpty(): boolean {
    return this.aside.changes.isEmpty
  }

  /** Whether memory still is what the database says; else it is read again, before any record is handled. */
  async load(transaction: Transaction): Promise<void> {
    const { parking } = this.#parts
    await parking.follow(await transaction.load(parkingLotsTable, parking.lots))
  }

  /** One look where nothing is parked and nothing fails. */
  before(turn: Turn): Fate {
    const { cursor, record } = turn
    const { parking } = this.#parts
    const isTroubled = cursor.refused !== undefined || cursor.sentence !== undefined
    if (parking.isEmpty && parking.breakers.isEmpty && this.isEmpty && !isTroubled) return 'handle'
    const { group } = cursor
    if (cursor.sentence?.sequence === record.sequence) return this.#died(turn, cursor.sentence.error)
    if (record.type === MESSAGE_DIED || !this.#concerns(turn)) return 'handle'
    const parked = this.aside.changes.find(this.aside.nameOf(group, record))
    if (parked !== undefined) {
      const full = this.aside.fullBecause(group, { withKey: false })
      if (full !== undefined) return this.#full(cursor, full)
      this.aside.queue(group, record, parked)
      return 'passed'
    }
    if (cursor.refused !== undefined && record.sequence === cursor.next) return this.failed(turn, cursor.refused)
    return this.#probe(turn)
  }

  /** It was in hand when its process died: a retry would kill again, so it is dead at once. */
  #died({ cursor, record }: Turn, error: Error): Fate {
    const { group } = cursor
    const parked = this.aside.changes.find(this.aside.nameOf(group, record))
    const full = this.aside.fullBecause(group, { withKey: parked === undefined })
    if (full !== undefined) return this.#full(cursor, full)
    const failure = this.aside.weighDeath(group, record, error)
    // Behind a parked key it was never tried here: its turn comes there, and it is found out there.
    if (parked !== undefined) this.aside.queue(group, record, parked)
    else this.aside.setAside(cursor, { group, record, failure, attempts: 1 })
    return 'passed'
  }

  /** What the group has no handler for is nobody's to wait for, unless it should have one. */
  #concerns({ cursor: { group }, record: { type } }: Turn): boolean {
    const { reactions, folds, fed } = group
    return reactions.has(type) || folds.has(type) || fed.has(type) || !this.#parts.registry.messages.has(type)
  }

  /** A record was handled: its handler works. */
  succeeded({ cursor: { group }, record: { type } }: Turn): void {
    const { breakers } = this.#parts.parking
    if (!breakers.isEmpty) breakers.succeeded({ group: group.name, type })
  }

  /** A record's handler threw, and nothing of it was kept. */
  failed(turn: Turn, error: unknown): Exclude<Fate, 'handle'> {
    const { cursor, record } = turn
    const { group } = cursor
    const failure = this.aside.weigh(group, record, error)
    const { faultClass } = failure
    const attempts = (record.sequence === cursor.next ? cursor.tries : 0) + 1
    const isLast = faultClass !== 'transient' || attempts >= QUICK_TRIES
    const mayBeTheHandler = faultClass === 'transient' || faultClass === 'permanent'
    if (mayBeTheHandler && this.#isOutage(turn, isLast)) return this.#trip(turn)
    if (!isLast) {
      this.faults.push({ cursor, record, error })
      return 'stopped'
    }
    const full = this.aside.fullBecause(group, { withKey: true })
    if (full !== undefined) return this.#full(cursor, full)
    this.aside.setAside(cursor, { group, record, failure, attempts })
    return 'passed'
  }

  /** Before many failures are taken for an outage, or one for a bad message, those who wait behind it are asked. */
  #isOutage(turn: Turn, isLast: boolean): boolean {
    const { breakers } = this.#parts.parking
    const handler = handlerOf(turn)
    const areMany = breakers.failed(handler, [turn.record.key])
    if (!areMany && !isLast) return false
    const failing: string[] = []
    for (const other of this.#others(turn)) {
      if (this.#canHandle(turn.cursor, other)) {
        breakers.succeeded(handler)
        return false
      }
      failing.push(other.key)
    }
    return breakers.failed(handler, failing)
  }

  #trip(turn: Turn): 'stopped' {
    const { breakers, clock } = this.#parts.parking
    const handler = handlerOf(turn)
    breakers.trip(handler)
    return this.#paused(turn, breakers.probeAt(handler) ?? clock.now())
  }

  /** The first record of each other key behind this one that goes to the same handler. */
  #others({ cursor, record, records, index }: Turn): LogRecord[] {
    const others = new Map<string, LogRecord>()
    for (const other of records.slice(index + 1)) {
      if (others.size >= OTHERS_ASKED) break
      if (other.type !== record.type || other.key === record.key || others.has(other.key)) continue
      if (this.aside.changes.find(this.aside.nameOf(cursor.group, other)) === undefined) others.set(other.key, other)
    }
    return [...others.values()]
  }

  /** A paused handler is asked now and then; who is asked changes, so that one bad message can't keep it paused. */
  #probe(turn: Turn): Fate {
    const { parking, now } = this.#parts
    const { breakers } = parking
    const name = handlerOf(turn)
    const probeAt = breakers.probeAt(name)
    if (probeAt === undefined) return 'handle'
    if (now < (this.#probes.get(placeOf(name)) ?? probeAt)) return this.#paused(turn, probeAt)
    const candidates = [turn.record, ...this.#others(turn)]
    const asked = candidates[breakers.probes(name) % candidates.length] ?? turn.record
    if (this.#canHandle(turn.cursor, asked)) {
      breakers.succeeded(name)
      return 'handle'
    }
    breakers.probeFailed(name)
    return this.#paused(turn, breakers.probeAt(name) ?? now)
  }

  #canHandle({ group, index }: Cursor, other: LogRecord): boolean {
    this.#parts.hand.record(index, other.sequence)
    return this.#parts.handler.canHandle(group, other)
  }

  #paused({ cursor, record }: Turn, until: number): 'stopped' {
    const message = `the handler of ${record.type} is paused: it failed for many keys`
    this.pauses.push({ cursor, until, message, isAlarm: false })
    return 'stopped'
  }

  #full(cursor: Cursor, message: string): 'stopped' {
    this.pauses.push({ cursor, until: this.#parts.now + FULL_RECHECK_MS, message, isAlarm: true })
    return 'stopped'
  }

  writes(): Write[] {
    return [...this.aside.changes.writes(this.#parts.registry), ...mirrorWrites(this.aside.mirrored)]
  }

  /** Memory follows the commit. */
  applied(): void {
    this.aside.changes.applied()
  }
}

function placeOf({ group, type }: HandlerName): string {
  return `${group} ${type}`
}

function handlerOf({ cursor: { group }, record: { type } }: Turn): HandlerName {
  return { group: group.name, type }
}
