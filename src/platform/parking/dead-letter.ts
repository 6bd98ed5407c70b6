// A message that was given up: all that a person needs to find out why, and all that is needed to send it again.
import type { Row } from '../ports.ts'
import type { Failure } from './failure.ts'
import type { KeyName } from './parked-key.ts'
import type { ParkedMessage, StoredRecord, StoredRow } from './parked-message.ts'
import { failureIn, recordCells, storedRecordIn } from './parked-message.ts'

/**
 * - dead: nobody has done anything about it yet; under the policy `hold` its key waits for that.
 * - redriving: it is back in its key's queue.
 * - redriven: it was handled after all. discarded: a person gave it up. edited: a new message stands in for it.
 */
export type DeadLetterStatus = 'dead' | 'redriving' | 'redriven' | 'discarded' | 'edited'

export interface DeadLetter extends KeyName, StoredRecord {
  readonly id: string
  readonly version: number
  /** Its place in its key's queue: redriven, it goes before those that came after it. */
  readonly position: number
  readonly attempts: number
  readonly firstFailedAt: number
  readonly lastFailedAt: number
  readonly failure: Failure
  readonly parkedAt: number
  readonly diedAt: number
  readonly status: DeadLetterStatus
  /** How often it was sent again: the guard against loops. */
  readonly redriveCount: number
  /** Why a person decided as he did. */
  readonly reason: string | null
  /** The dead letter that a person edited into this message. */
  readonly editedFrom: string | null
}

const NEVER: Failure = { faultClass: 'transient', code: 'Error', message: '', stack: '', handler: '' }

/** A message becomes a dead letter; one that was redriven becomes the same one again. */
export function deadLetterOf(
  message: ParkedMessage,
  { id, now, before }: { readonly id: string; readonly now: number; readonly before: DeadLetter | undefined },
): DeadLetter {
  const { deadLetter: _, failure, firstFailedAt, lastFailedAt, ...rest } = message
  return {
    ...rest,
    id: before?.id ?? id,
    version: (before?.version ?? 0) + 1,
    attempts: message.attempts + (before?.attempts ?? 0),
    firstFailedAt: before?.firstFailedAt ?? firstFailedAt ?? now,
    lastFailedAt: lastFailedAt ?? now,
    failure: failure ?? NEVER,
    diedAt: now,
    status: 'dead',
    redriveCount: before?.redriveCount ?? 0,
    reason: null,
    editedFrom: before?.editedFrom ?? null,
  }
}

export function deadLetterCells(letter: DeadLetter): Row {
  const { id, version, group, keyName, key, position, failure, attempts, firstFailedAt, lastFailedAt } = letter
  return [
    id,
    version,
    group,
    keyName,
    key,
    position,
    ...recordCells(letter),
    attempts,
    firstFailedAt,
    lastFailedAt,
    failure.faultClass,
    failure.code,
    failure.message,
    failure.stack,
    failure.handler,
    letter.parkedAt,
    letter.diedAt,
    letter.status,
    letter.redriveCount,
    letter.reason,
    letter.editedFrom,
  ]
}

/** A row of `dead_letters` by its columns' names. */
export function deadLetterIn(row: StoredRow): DeadLetter {
  return {
    id: String(row['id']),
    version: Number(row['version']),
    group: String(row['consumer_group']),
    keyName: String(row['key_name']),
    key: String(row['key']),
    position: Number(row['position']),
    ...storedRecordIn(row),
    attempts: Number(row['attempts']),
    firstFailedAt: Number(row['first_failed_at']),
    lastFailedAt: Number(row['last_failed_at']),
    failure: failureIn(row) ?? NEVER,
    parkedAt: Number(row['parked_at']),
    diedAt: Number(row['died_at']),
    status: String(row['status']) as DeadLetterStatus,
    redriveCount: Number(row['redrive_count']),
    reason: row['reason'] === null ? null : String(row['reason']),
    editedFrom: row['edited_from'] === null ? null : String(row['edited_from']),
  }
}
