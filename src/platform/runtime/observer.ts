// What the runtime tells telemetry: counts and times in bulk, once a batch.
import type { LogRecord } from '../log/record.ts'
import type { HandlerName } from '../parking/breakers.ts'
import type { ParkingNote } from '../parking/setting-aside.ts'
import type { StoredHand } from '../takeover/stored-hand.ts'
import type { Cursor } from './channels.ts'
import type { Round } from './round.ts'

/** What failed: never its body, only the record's address. */
export interface FailedPart {
  readonly group: string
  readonly position: string
  readonly type: string
  readonly record?: LogRecord
}

/** Why a cursor stands still, as far as it is told apart; `stopped` is everything else. */
export type AlarmKind = 'gap' | 'source-went-back' | 'parked-limit' | 'stopped'

/** What a batch did, for metrics and logs. */
export interface Observer {
  /** A batch was committed after `durationMs`. */
  committed(round: Round, durationMs: number): void
  /** A batch met another's write and runs again. */
  conflicted(reason: string): void
  /** A record, answer or timer failed; the message holds no personal data. */
  fault(what: FailedPart, error: unknown): void
  /** The first message of a key could not be handled and waits for its next try; the others of its key wait behind. */
  parked(note: ParkingNote): void
  /** Nothing of the key waits any more. */
  unparked(note: ParkingNote): void
  /** A message was given up. */
  dead(note: ParkingNote): void
  /** A handler failed for too many keys: its messages wait until it works again. */
  breakerOpened(handler: HandlerName): void
  breakerClosed(handler: HandlerName): void
  /** A cursor stands still and needs a look. */
  alarm(cursor: Cursor, message: string, kind?: AlarmKind): void
  /** Partitions of a process that died were taken over: what waits there, and how much of it goes one by one now. */
  tookOver(takeover: { readonly lot: string; readonly waiting: number; readonly alone: number }): void
  /** A message was in hand when its process died, and is given up or set back. */
  foundInHand(what: { readonly hand: StoredHand; readonly group: string; readonly error: Error }): void
  /** The store can't be used at present. */
  storeDown(error: Error): void
  storeUp(): void
}

export const silentObserver: Observer = {
  committed: () => undefined,
  conflicted: () => undefined,
  fault: () => undefined,
  parked: () => undefined,
  unparked: () => undefined,
  dead: () => undefined,
  breakerOpened: () => undefined,
  breakerClosed: () => undefined,
  alarm: () => undefined,
  tookOver: () => undefined,
  foundInHand: () => undefined,
  storeDown: () => undefined,
  storeUp: () => undefined,
}
