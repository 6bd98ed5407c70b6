// What becomes of the parts of a batch that did not get through: tried again in place, offered again, or reported.
import type { Clock } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { QUICK_TRIES } from '../parking/policy.ts'
import type { Parking } from '../parking/parking.ts'
import { positionOf } from '../log/record.ts'
import type { PartFailure } from './batch-runner.ts'
import type { Channel, Channels, Cursor, Standstill } from './channels.ts'
import type { EffectExecutor } from './effect-executor.ts'
import type { AlarmKind, Observer } from './observer.ts'
import type { Round } from './round.ts'
import type { FailedTimer, Fault, Pause } from './round-context.ts'

/** Quick tries are 20 and 40 ms apart: what other keys of the partition wait for a bad message. */
const QUICK_BASE_MS = 10
/** What the store keeps refusing for a conflict is looked at again after this long. */
const CONFLICT_RETRY_MS = 1000
/** A gap, or a source that went back, is looked at again after this long. */
const ALARM_RETRY_MS = 1000

export interface SetbackOptions {
  readonly clock: Clock
  readonly observer: Observer
  readonly channels: Channels
  readonly executor: EffectExecutor
  readonly parking: Parking
  /** Whether this process works on the channel. */
  readonly isOurs: (channel: Channel) => boolean
}

interface Stop {
  readonly why: Standstill
  readonly message: string
  readonly pauseMs: number
}

export class Setbacks {
  readonly #options: SetbackOptions

  constructor(options: SetbackOptions) {
    this.#options = options
  }

  /**
   * When the next cursor that stands still is looked at. Those of another process's partitions are his: looking for
   * them here found nothing to do, a thousand times a second.
   */
  get next(): number {
    const { channels, isOurs } = this.#options
    let next = Number.POSITIVE_INFINITY
    for (const channel of channels.all) {
      for (const { stopped, paused, retryAt } of channel.cursors) {
        // What a person paused is not looked at before he resumes it.
        const waits = stopped !== undefined && paused === undefined
        if (waits && retryAt < next && isOurs(channel)) next = retryAt
      }
    }
    return next
  }

  /** Whether a record waits for its next quick try. */
  get isTrying(): boolean {
    return this.#options.channels.all.some(({ cursors }) =>
      cursors.some(({ tries, paused }) => tries > 0 && paused === undefined),
    )
  }

  /** After the commit of what did get through. */
  take(round: Round): void {
    const { executor, observer } = this.#options
    for (const { input, error } of round.failedInputs) executor.offerAgain(input, error)
    for (const fault of round.parking.faults) this.#tryInPlace(fault)
    for (const pause of round.parking.pauses) this.#pause(pause)
    for (const failed of round.timers.failed) this.#report(failed)
    for (const note of round.parking.notes) observer[note.what](note)
  }

  /** A part that can't be committed even alone. */
  failed(failure: PartFailure): void {
    const { executor, parking, clock } = this.#options
    if ('cursor' in failure) this.#refused(failure)
    else if ('timer' in failure) this.#report(failure)
    else if ('retry' in failure) parking.defer(failure.retry.parked, clock.now() + CONFLICT_RETRY_MS)
    else if (failure.input.kind === 'command') failure.input.reject(failure.error)
    else executor.offerAgain(failure.input, failure.error)
  }

  /** Something is wrong with the log itself: the cursor waits before it. */
  alarm(cursor: Cursor, message: string, kind: AlarmKind): void {
    this.#stop(cursor, { why: 'log', message, pauseMs: ALARM_RETRY_MS })
    this.#options.observer.alarm(cursor, message, kind)
  }

  #tryInPlace({ cursor, record, error }: Fault): void {
    cursor.tries += 1
    const message = `${record.type} at ${record.sequence} failed ${cursor.tries} times`
    this.#stop(cursor, { why: 'fault', message, pauseMs: QUICK_BASE_MS * 2 ** cursor.tries })
    const what = { group: cursor.group.name, position: positionOf(record), type: record.type, record }
    this.#options.observer.fault(what, error)
  }

  /** The store did not take what the record leads to. A conflict is nobody's fault; else it is the record's. */
  #refused(fault: Fault): void {
    const { cursor, record, error } = fault
    if (error instanceof Conflict) {
      const message = `${record.type} at ${record.sequence} meets a conflict each time`
      this.#stop(cursor, { why: 'conflict', message, pauseMs: CONFLICT_RETRY_MS })
      this.#options.observer.alarm(cursor, message, 'stopped')
      return
    }
    this.#tryInPlace(fault)
    if (cursor.tries >= QUICK_TRIES) cursor.refused = error
  }

  #pause({ cursor, until, message, isAlarm }: Pause): void {
    const isNew = cursor.stopped !== message
    cursor.stopped = message
    cursor.stoppedFor = isAlarm ? 'full' : 'breaker'
    cursor.retryAt = until
    if (isAlarm && isNew) this.#options.observer.alarm(cursor, message, 'parked-limit')
  }

  #stop(cursor: Cursor, { why, message, pauseMs }: Stop): void {
    cursor.stopped = message
    cursor.stoppedFor = why
    cursor.retryAt = this.#options.clock.now() + pauseMs
  }

  #report({ timer: { service, name, key }, error }: FailedTimer): void {
    this.#options.observer.fault({ group: service, position: `${name} ${key}`, type: 'timer' }, error)
  }
}
