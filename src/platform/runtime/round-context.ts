// What a batch is given and what can become of its parts.
import type { Projection } from '../../kernel/projection.ts'
import type { LogRecord } from '../log/record.ts'
import type { Table } from '../ports.ts'
import type { Channel, Channels, Cursor } from './channels.ts'
import type { DocumentCache } from './document-cache.ts'
import type { Parking } from '../parking/parking.ts'
import type { Retry } from '../parking/retry.ts'
import type { Hand } from '../takeover/hand.ts'
import type { AnswerInput, Input } from './inputs.ts'
import type { TimerRow } from './outbox.ts'
import type { Registry } from './registry.ts'

/** Everything that a batch needs and does not change. */
export interface RoundContext {
  readonly registry: Registry
  readonly channels: Channels
  readonly now: number
  readonly transaction: number
  readonly newId: () => string
  /** Tests freeze documents and hand on records in their stored form. */
  readonly strict: boolean
  /** Whether this process may handle the channel's records now. */
  readonly isOurs: (channel: Channel) => boolean
  /** Off when a batch is run in small pieces: what it appends waits for the next one. */
  readonly cascades: boolean
  /** Only where this process is the only writer. */
  readonly cache: DocumentCache | undefined
  readonly liveTable: (service: string, projection: Projection) => Table
  readonly parking: Parking
  /** Where the watchdog sees what is being handled. */
  readonly hand: Hand
}

/** What one batch is made of. */
export interface Batch {
  readonly inputs: readonly Input[]
  readonly backlog: readonly Delivery[]
  readonly timers: readonly TimerRow[]
  /** Parked keys whose first message is tried again. */
  readonly retries: readonly Retry[]
}

/** Records of one cursor, contiguous from its position. */
export interface Delivery {
  readonly cursor: Cursor
  readonly records: readonly LogRecord[]
}

/** A record whose handler threw: its cursor stands still for a moment, everything else goes on. */
export interface Fault {
  readonly cursor: Cursor
  readonly record: LogRecord
  readonly error: unknown
}

export interface FailedInput {
  readonly input: AnswerInput
  readonly error: unknown
}

export interface FailedTimer {
  readonly timer: TimerRow
  readonly error: unknown
}

/** A cursor that stands still though no record of it was tried. */
export interface Pause {
  readonly cursor: Cursor
  readonly until: number
  readonly message: string
  /** Whether somebody has to look; else it goes on by itself. */
  readonly isAlarm: boolean
}
