// What has to go alone because processes died where it waits, and what is given up without another try.
import type { Retry } from '../parking/retry.ts'
import type { Parking } from '../parking/parking.ts'
import { MAX_RECORDS_A_CURSOR } from '../runtime/backlog.ts'
import type { BatchRunner } from '../runtime/batch-runner.ts'
import { NOTHING } from '../runtime/batch-runner.ts'
import type { Channels, Cursor } from '../runtime/channels.ts'
import type { AnswerInput } from '../runtime/inputs.ts'
import type { Fresh, TimerRow } from '../runtime/outbox.ts'
import type { Batch, Delivery } from '../runtime/round-context.ts'
import { mayFire } from '../runtime/round-timers.ts'
import type { CountedItem, Item, LotPlace } from './item.ts'
import { answerName, cursorName, isSame, lotOf, parkedName, timerName } from './item.ts'
import type { Found } from './left-behind.ts'
import { KILLER_CODES, isDeath } from './stored-hand.ts'

interface SuspectsOptions {
  readonly channels: Channels
  readonly parking: Parking
  readonly hosted: readonly string[]
  readonly holds: (partitions: number, partition: number) => boolean
}

/** One thing that is handled alone: noted as in hand, then committed without a cascade. */
export interface Unit extends Item {
  readonly lot: string
  readonly place: LotPlace
  /** Whether it is noted before it runs: what is given up without a try does not run. */
  readonly isNoted: boolean
  /** Whether it still is what it was, by now. */
  readonly isDue: () => boolean
  readonly run: (batches: BatchRunner) => Promise<void>
  readonly cursor?: Cursor
}

interface Sentence {
  readonly position: number
  readonly error: Error
}

/** What a step handles alone before all others have their turn again. */
export const UNITS_A_STEP = 16

export class Suspects {
  readonly #options: SuspectsOptions
  readonly #named = new Map<string, CountedItem & LotPlace>()
  readonly #cursors = new Set<Cursor>()
  /** Parked messages that are given up when their turn comes, by the name of their key. */
  readonly #sentences = new Map<string, Sentence>()

  constructor(options: SuspectsOptions) {
    this.#options = options
  }

  /** Nothing goes alone: batches are taken as they are. */
  get isCalm(): boolean {
    return this.#named.size === 0 && this.#cursors.size === 0
  }

  get size(): number {
    return this.#named.size + this.#cursors.size
  }

  add(found: Found & CountedItem): void {
    const { deaths } = found
    if (found.kind === 'record') this.#suspect(found.cursor, deaths)
    else if (found.kind === 'retry') this.#name(found, found.parked)
    else {
      const { partition } = found.kind === 'timer' ? found.timer : found.row
      this.#name(found, { partitions: this.#options.channels.workPartitions, partition })
    }
  }

  #name({ kind, name, at, deaths }: CountedItem, { partitions, partition }: LotPlace): void {
    this.#named.set(`${kind} ${name}`, { kind, name, at, deaths, partitions, partition })
  }

  /** As far as a batch goes: what was in the one that died lies below. */
  #suspect(cursor: Cursor, deaths: number): void {
    cursor.suspect = { until: Math.min(cursor.channel.next, cursor.next + MAX_RECORDS_A_CURSOR), deaths }
    this.#cursors.add(cursor)
  }

  /** Only shows it, where nothing is handled. */
  mark(cursor: Cursor, left: readonly CountedItem[]): void {
    const item: Item = { kind: 'record', name: cursorName(cursor), at: cursor.next }
    const known = left.find((each) => isSame(each, item))
    if (known !== undefined) cursor.suspect = { until: cursor.channel.next, deaths: known.deaths }
  }

  sentence(name: string, sentence: Sentence): void {
    this.#sentences.set(name, sentence)
  }

  /** Partitions that another process holds now are its own to look through. */
  keepOurs(): void {
    const { holds, channels } = this.#options
    for (const [name, { partitions, partition }] of this.#named) {
      if (!holds(partitions, partition)) this.#named.delete(name)
    }
    for (const cursor of channels.all.flatMap(({ cursors }) => cursors)) {
      if (cursor.sentence !== undefined && cursor.sentence.sequence < cursor.next) cursor.sentence = undefined
      if (holds(cursor.channel.partitions, cursor.channel.partition)) continue
      cursor.sentence = undefined
      this.#free(cursor)
    }
  }

  #free(cursor: Cursor): void {
    cursor.suspect = undefined
    this.#cursors.delete(cursor)
  }

  /** The retries with what is given up in them: all before it goes first, then it has no other try. */
  judged(retries: readonly Retry[]): readonly Retry[] {
    if (this.#sentences.size === 0) return retries
    return retries.map((retry) => {
      const sentence = this.#sentences.get(parkedName(retry.parked))
      const index = retry.messages.findIndex(({ position }) => position === sentence?.position)
      if (sentence === undefined || index < 0) return retry
      if (index > 0) return { ...retry, messages: retry.messages.slice(0, index) }
      return { ...retry, messages: retry.messages.slice(0, 1), refused: sentence.error }
    })
  }

  /** What of a batch may go together; the rest goes alone. */
  apart(batch: Batch): { readonly rest: Batch; readonly alone: readonly Unit[] } {
    const killers = batch.retries.filter((retry) => this.#goesAlone(retry))
    if (this.isCalm && killers.length === 0) return { rest: batch, alone: [] }
    const isAlone = (kind: Item['kind'], name: string) => this.#named.has(`${kind} ${name}`)
    const timers = batch.timers.filter((timer) => isAlone('timer', timerName(timer)))
    const answers = batch.inputs.filter(
      (input): input is AnswerInput => input.kind === 'answer' && isAlone('answer', answerName(input.row)),
    )
    const rest = {
      inputs: batch.inputs.filter((input) => input.kind !== 'answer' || !answers.includes(input)),
      backlog: batch.backlog,
      timers: batch.timers.filter((timer) => !timers.includes(timer)),
      retries: batch.retries.filter((retry) => !killers.includes(retry)),
    }
    const alone = [
      ...answers.map((input) => this.#answer(input)),
      ...killers.map((retry) => this.#retry(retry)),
      ...timers.filter((timer) => mayFire(this.#options.channels, timer)).map((timer) => this.#timer(timer)),
    ]
    return { rest, alone }
  }

  /** A message that killed its process once, and that a person sent again, is never tried beside others. */
  #goesAlone({ parked, messages: [first], refused }: Retry): boolean {
    if (isDeath(refused)) return true
    return this.#named.has(`retry ${parkedName(parked)}`) || KILLER_CODES.has(first?.failure?.code ?? '')
  }

  #unit(item: Item, place: LotPlace): Pick<Unit, keyof Item | 'lot' | 'place' | 'isNoted' | 'isDue'> {
    return { ...item, lot: lotOf(this.#options.hosted, place), place, isNoted: true, isDue: () => true }
  }

  #answer(input: AnswerInput): Unit {
    const { row } = input
    const place = { partitions: this.#options.channels.workPartitions, partition: row.partition }
    return {
      ...this.#unit({ kind: 'answer', name: answerName(row), at: row.version }, place),
      run: (batches) => batches.alone({ ...NOTHING, inputs: [input] }, (error) => ({ input, error })),
    }
  }

  #timer(timer: TimerRow): Unit {
    const place = { partitions: this.#options.channels.workPartitions, partition: timer.partition }
    return {
      ...this.#unit({ kind: 'timer', name: timerName(timer), at: timer.due }, place),
      run: (batches) => batches.alone({ ...NOTHING, timers: [timer] }, (error) => ({ timer, error })),
    }
  }

  #retry(retry: Retry): Unit {
    const first = retry.messages.slice(0, 1)
    const at = first[0]?.position ?? 0
    return {
      ...this.#unit({ kind: 'retry', name: parkedName(retry.parked), at }, retry.parked),
      isNoted: retry.refused === undefined,
      run: (batches) => batches.retryAlone({ ...retry, messages: first }),
    }
  }

  /** The first records of cursors that are suspects, one unit each. */
  records(deliveries: readonly Delivery[]): readonly Unit[] {
    return deliveries.flatMap(({ cursor, records }) =>
      records.slice(0, UNITS_A_STEP).map((record): Unit => {
        const { channel, sentence } = cursor
        return {
          ...this.#unit({ kind: 'record', name: cursorName(cursor), at: record.sequence }, channel),
          cursor,
          isNoted: sentence?.sequence !== record.sequence,
          // One that was set before its turn, or failed, holds up those behind it.
          isDue: () => cursor.next === record.sequence && cursor.stopped === undefined,
          run: (batches) => {
            const one = { ...NOTHING, backlog: [{ cursor, records: [record] }] }
            return batches.alone(one, (error) => ({ cursor, record, error }))
          },
        }
      }),
    )
  }

  /** After a unit: whoever got on, or failed as others do, is no suspect any more. */
  settle({ kind, name, at, cursor }: Unit, now: number): void {
    if (cursor !== undefined) {
      if (cursor.suspect !== undefined && cursor.next >= cursor.suspect.until) this.#free(cursor)
      return
    }
    // It was given up: sent again by a person it has its try.
    if (kind === 'retry' && this.#sentences.get(name)?.position === at) this.#sentences.delete(name)
    if (kind === 'retry' && this.#isStillDue(name, now)) return
    this.#named.delete(`${kind} ${name}`)
  }

  /** Behind a parked message its followers wait, and one of them may be the one. */
  #isStillDue(name: string, now: number): boolean {
    return this.#options.parking.overdue(now).some((parked) => parkedName(parked) === name)
  }

  /**
   * What a suspect led to is one as well: in the batch that died it may have been the end of a cascade. A cursor that
   * is behind anyway was not in that cascade.
   */
  follow(appended: Iterable<Fresh>): void {
    for (const { channel, records } of appended) {
      if (!this.#options.holds(channel.partitions, channel.partition)) continue
      for (const cursor of channel.cursors) {
        if (cursor.next === channel.next - records.length) this.#suspect(cursor, 0)
      }
    }
  }
}
