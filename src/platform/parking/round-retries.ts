// Tries the heads of parked keys again in a batch: after a success those behind go on, in their order.
import type { LogRecord } from '../log/record.ts'
import type { Transaction } from '../ports.ts'
import type { Group } from '../runtime/registry.ts'
import type { DeadLetter } from './dead-letter.ts'
import { deadLetterIn } from './dead-letter.ts'
import type { Failure } from './failure.ts'
import type { ParkedKey } from './parked-key.ts'
import type { ParkedMessage } from './parked-message.ts'
import { recordOf, storedRowOf } from './parked-message.ts'
import { retryDelayMs, UNKNOWN_RECHECK_MS, UNKNOWN_WAITS_MS } from './policy.ts'
import type { Retry } from './retry.ts'
import { parkedName } from '../takeover/item.ts'
import { isDeath } from '../takeover/stored-hand.ts'
import type { RoundParts, SettingAside } from './setting-aside.ts'

/** What a try of one message came to for its queue. */
type Step = 'gone' | 'stays' | 'untried'

/** A message with the record that it holds. */
interface Read {
  readonly message: ParkedMessage
  readonly record: LogRecord
}

export class RoundRetries {
  /** Messages that were handled. */
  records = 0
  readonly #parts: RoundParts
  readonly #aside: SettingAside
  readonly #letters = new Map<string, DeadLetter>()

  constructor(parts: RoundParts, aside: SettingAside) {
    this.#parts = parts
    this.#aside = aside
  }

  async run(retries: readonly Retry[], transaction: Transaction): Promise<void> {
    if (retries.length === 0) return
    const { handler, hand } = this.#parts
    const read = retries.map((retry) => {
      const messages = retry.messages.map((message): Read => ({ message, record: recordOf(message) }))
      for (const each of messages) {
        // Nothing of one that is given up without a try is run, not even what names its states.
        if (retry.refused !== undefined && each === messages[0]) continue
        this.#takeInHand(retry.parked, each.message)
        handler.want(retry.group, each.record)
      }
      return { retry, messages }
    })
    hand.down()
    await Promise.all([handler.load(transaction), this.#loadLetters(retries, transaction)])
    for (const { retry, messages } of read) this.#retry(retry, messages)
    hand.down()
  }

  #takeInHand(parked: ParkedKey, { position }: ParkedMessage): void {
    const { partitions, partition } = parked
    this.#parts.hand.named('retry', { name: parkedName(parked), at: position, partitions, partition })
  }

  /** Messages that were redriven have a dead letter, which says what becomes of them. */
  async #loadLetters(retries: readonly Retry[], transaction: Transaction): Promise<void> {
    const { registry } = this.#parts
    for (const [service, own] of Map.groupBy(retries, ({ group }) => group.service)) {
      const ids = own.flatMap(({ messages }) => messages.flatMap(({ deadLetter }) => deadLetter ?? []))
      const table = registry.tables.get(service)?.deadLetters
      if (ids.length === 0 || table === undefined) continue
      const keys = ids.toSorted().map((id) => [id])
      for (const cells of await transaction.load(table, keys)) {
        const letter = deadLetterIn(storedRowOf(table, cells))
        this.#letters.set(letter.id, letter)
      }
    }
  }

  #retry(retry: Retry, messages: readonly Read[]): void {
    const { parked } = retry
    // Read again in between: what was read before may be another queue by now.
    if (this.#aside.changes.find(parked)?.version !== parked.version) return
    let gone = 0
    for (const read of messages) {
      const isFirst = read === messages[0]
      const step = this.#try({ ...retry, parked: this.#aside.changes.find(parked) ?? parked }, read, isFirst)
      if (step === 'untried') break
      if (step === 'stays') return
      gone += 1
      if (this.#aside.changes.find(parked)?.state === 'held') return
      if (retry.isHeldAfter && read.message.deadLetter !== null) return this.#hold(parked)
    }
    if (gone > 0) this.#goOn(parked, messages)
  }

  /** What was redriven is through; whoever waits behind it waits for another dead letter as well. */
  #hold(name: ParkedKey): void {
    const parked = this.#aside.changes.find(name)
    if (parked !== undefined) this.#aside.changes.save({ ...parked, state: 'held', attempts: 0, due: this.#parts.now })
  }

  /** What was not tried yet has its turn when all others had theirs. */
  #goOn(name: ParkedKey, messages: readonly Read[]): void {
    const { now } = this.#parts
    const parked = this.#aside.changes.find(name)
    const last = messages.at(-1)
    if (parked === undefined || last === undefined) return
    if (parked.messages > 0) {
      this.#aside.changes.save({ ...parked, state: 'retrying', attempts: 0, due: now })
      return
    }
    this.#aside.changes.release(parked)
    const handled = { record: last.record, failure: NONE, attempts: parked.attempts }
    this.#aside.note('unparked', handled, parked)
  }

  #try({ group, parked, refused }: Retry, { message, record }: Read, isFirst: boolean): Step {
    const { parking, now } = this.#parts
    const { breakers } = parking
    const name = { group: group.name, type: record.type }
    if (isFirst && isDeath(refused)) return this.#failed({ group, parked }, { message, record }, refused)
    const probeAt = breakers.probeAt(name)
    if (probeAt !== undefined && now < probeAt) {
      parking.defer(parked, probeAt)
      return 'untried'
    }
    this.#takeInHand(parked, message)
    const thrown = isFirst && refused !== undefined ? { error: refused } : this.#thrown(group, record)
    if (thrown !== undefined) {
      if (probeAt === undefined) return this.#failed({ group, parked }, { message, record }, thrown.error)
      // An outage uses up nobody's tries.
      breakers.probeFailed(name)
      parking.defer(parked, breakers.probeAt(name) ?? now)
      return 'untried'
    }
    breakers.succeeded(name)
    this.records += 1
    this.#leave(parked, message)
    const letter = message.deadLetter === null ? undefined : this.#letters.get(message.deadLetter)
    if (letter !== undefined)
      this.#aside.changes.letter(group.service, { ...letter, version: letter.version + 1, status: 'redriven' })
    return 'gone'
  }

  #thrown(group: Group, record: LogRecord): { readonly error: unknown } | undefined {
    try {
      this.#parts.handler.handle(group, record)
      return undefined
    } catch (error) {
      return { error }
    }
  }

  #leave(parked: ParkedKey, message: ParkedMessage): void {
    this.#aside.changes.leave(parked.service, message)
    this.#aside.changes.save({ ...parked, messages: parked.messages - 1 })
  }

  #failed({ group, parked }: Pick<Retry, 'group' | 'parked'>, { message, record }: Read, error: unknown): Step {
    const { parking, now } = this.#parts
    const { tries, tryForMs } = parking.policyOf(group)
    const failure = isDeath(error)
      ? this.#aside.weighDeath(group, record, error)
      : this.#aside.weigh(group, record, error)
    const firstFailedAt = message.firstFailedAt ?? now
    if (failure.faultClass === 'unknown' && now - firstFailedAt < UNKNOWN_WAITS_MS) {
      parking.defer(parked, now + UNKNOWN_RECHECK_MS)
      return 'untried'
    }
    const attempts = message.attempts + 1
    const failed: ParkedMessage = { ...message, attempts, firstFailedAt, lastFailedAt: now, failure }
    const weighed = { group, record, failure, attempts }
    if (failure.faultClass === 'transient' && attempts < tries && now - firstFailedAt < tryForMs) {
      const due = now + retryDelayMs(attempts, parking.random)
      this.#aside.changes.tried(group.service, failed)
      this.#aside.changes.save({ ...parked, attempts, firstFailedAt, due })
      return 'stays'
    }
    this.#leave(parked, failed)
    const before = message.deadLetter === null ? undefined : this.#letters.get(message.deadLetter)
    if (this.#aside.bury(weighed, failed, before) === 'hold') {
      const messages = parked.messages - 1
      this.#aside.changes.save({ ...parked, state: 'held', attempts, firstFailedAt, messages })
    }
    return 'gone'
  }
}

const NONE: Failure = { faultClass: 'transient', code: '', message: '', stack: '', handler: '' }
