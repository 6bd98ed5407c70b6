// What a batch says: records for the log, requests to the outside, timers and the trail; all written in one commit.
import type { FedRecord } from '../../kernel/feed.ts'
import type { MessageInfo, Message } from '../../kernel/message.ts'
import { keyOf } from '../../kernel/message.ts'
import { topicOf } from '../../kernel/message-died.ts'
import { RecordTooLarge } from '../application.ts'
import type { LogRecord, RecordBody } from '../log/record.ts'
import { bodyTextOf } from '../log/record.ts'
import type { Append, Row, Write } from '../ports.ts'
import { trailTable } from '../store/tables.ts'
import type { Channel, Channels } from './channels.ts'
import type { Outcome, Registry } from './registry.ts'
import { sagaTimerName } from './registry.ts'
import { sorted } from './working-set.ts'

/** Where a saying comes from: what it is about, what caused it, whose partition it belongs to. */
export interface Origin {
  readonly service: string
  readonly correlation: string
  readonly cause: string
  readonly traceparent: string | undefined
  readonly partition: number
}

/** The records that a batch appends to one channel, and how many of them every group has been offered. */
export interface Fresh {
  readonly channel: Channel
  /** The sequence of the first, unless another process appends first; then nobody acted on them yet. */
  readonly first: number
  readonly records: LogRecord[]
  readonly texts: string[]
  offered: number
}

/** A request to the outside, as its row. */
export interface EffectRow {
  readonly service: string
  readonly id: string
  readonly effect: string
  readonly key: string
  readonly partition: number
  readonly request: unknown
  readonly correlation: string
  readonly cause: string
  readonly traceparent: string | undefined
  readonly attempts: number
  readonly due: number
  readonly version: number
  readonly requestedIn: number
  readonly ordinal: number
  readonly createdAt: number
}

export interface TimerRow {
  readonly service: string
  readonly due: number
  readonly partition: number
  readonly name: string
  readonly key: string
  readonly command: Message | undefined
  readonly correlation: string
}

/** What happened besides records: shown in the story of the correlation. */
export interface TrailNote {
  readonly at: number
  readonly service: string
  readonly what: 'command' | 'effect' | 'timer' | 'fault'
  readonly name: string
  readonly detail: string
}

/**
 * A message whose size the log does not take. In UTF-8 a character is three bytes at most, so with its headers it stays
 * below the 2 MB that topics on Kafka take.
 */
export const MAX_RECORD_CHARACTERS = 512 * 1024

/** A record that may be appended. */
interface Prepared {
  readonly channel: Channel
  readonly message: Message
  readonly key: string
  readonly text: string
}

export class Outbox {
  readonly fresh = new Map<Channel, Fresh>()
  readonly effects: EffectRow[] = []
  readonly timers: TimerRow[] = []
  readonly trail = new Map<string, TrailNote[]>()
  records = 0
  readonly #registry: Registry
  readonly #channels: Channels
  readonly #moment: { readonly now: number; readonly transaction: number; readonly storedForm: boolean }

  /** @param moment storedForm hands on records as they will be read back, so that tests see what a restart would. */
  constructor(
    registry: Registry,
    channels: Channels,
    moment: { readonly now: number; readonly transaction: number; readonly storedForm: boolean },
  ) {
    this.#registry = registry
    this.#channels = channels
    this.#moment = moment
  }

  /** Takes what one reaction led to: all of it, or nothing when one part is unsound. */
  take(outcomes: readonly Outcome[], origin: Origin): void {
    if (!this.trail.has(origin.correlation)) this.trail.set(origin.correlation, [])
    if (outcomes.length === 0) return
    const records: Prepared[] = []
    const effects: EffectRow[] = []
    for (const outcome of outcomes) {
      if ('type' in outcome) records.push(this.#prepare(outcome, origin))
      else if ('effect' in outcome) effects.push(this.#effect(outcome, origin, this.effects.length + effects.length))
    }
    for (const prepared of records) this.#append(prepared, origin)
    for (const effect of effects) this.effects.push(effect)
    for (const outcome of outcomes) if (!('type' in outcome)) this.#schedule(outcome, origin)
  }

  /** Takes what a feed made of a record: all of it, or nothing. The trail leaves it out: its story is the record's. */
  feed(fed: readonly FedRecord[], key: string, origin: Origin): void {
    const records = fed.map(({ topic, type, body }): Prepared => {
      const message = { type, data: body }
      return {
        channel: this.#channels.to(origin.service, topic, key),
        message,
        key,
        text: textOf(message, key, origin),
      }
    })
    for (const prepared of records) this.#append(prepared, origin)
  }

  note(correlation: string, note: TrailNote): void {
    const notes = this.trail.get(correlation)
    if (notes === undefined) this.trail.set(correlation, [note])
    else notes.push(note)
  }

  /** Everything about a record that can be wrong is found out here, before anything is taken. */
  #prepare(message: Message, origin: Origin): Prepared {
    const { type, data } = message
    const info = this.#registry.messages.get(type)
    if (info === undefined) throw new Error(`No service lists the message ${type} among what it says.`)
    const key = keyOf(info, data)
    const text = textOf(message, key, origin)
    return { channel: this.#channels.to(origin.service, topicOf(info, origin.service), key), message, key, text }
  }

  #append({ channel, message, key, text }: Prepared, { correlation, cause, traceparent }: Origin): void {
    const fresh = this.#freshOf(channel)
    fresh.texts.push(text)
    fresh.records.push({
      type: message.type,
      key,
      data: this.#moment.storedForm ? (JSON.parse(text) as RecordBody).data : message.data,
      correlation,
      cause,
      traceparent,
      source: channel.source,
      topic: channel.topic,
      partition: channel.partition,
      generation: channel.generation,
      incarnation: channel.incarnation,
      sequence: fresh.first + fresh.records.length,
      appendedAt: Math.max(channel.appendedAt, this.#moment.now),
    })
    this.records += 1
  }

  #freshOf(channel: Channel): Fresh {
    let fresh = this.fresh.get(channel)
    if (fresh === undefined) {
      fresh = { channel, first: channel.next, records: [], texts: [], offered: 0 }
      this.fresh.set(channel, fresh)
    }
    return fresh
  }

  #effect(outcome: { readonly effect: string; readonly request: unknown }, origin: Origin, ordinal: number): EffectRow {
    const declared = this.#registry.effects.get(outcome.effect)
    if (declared === undefined) throw new Error(`No service answers the effect ${outcome.effect}.`)
    const rules = declared.effect.rules as unknown as {
      readonly key: (request: unknown) => string
      readonly part: (request: unknown) => string
    }
    const key = rules.key(outcome.request)
    return {
      service: origin.service,
      id: `${outcome.effect}:${key}:${rules.part(outcome.request)}`,
      effect: outcome.effect,
      key,
      partition: origin.partition % this.#channels.workPartitions,
      request: outcome.request,
      correlation: origin.correlation,
      cause: origin.cause,
      traceparent: origin.traceparent,
      attempts: 0,
      due: this.#moment.now,
      version: 1,
      requestedIn: this.#moment.transaction,
      ordinal,
      createdAt: this.#moment.now,
    }
  }

  #schedule(outcome: Outcome, { service, partition: from, correlation }: Origin): void {
    // A topic of others may have more partitions than work is shared out by.
    const partition = from % this.#channels.workPartitions
    if ('saga' in outcome) {
      const name = sagaTimerName(outcome.saga)
      this.timers.push({ service, due: outcome.at, partition, name, key: outcome.key, command: undefined, correlation })
    } else if ('command' in outcome) {
      const { command, at } = outcome
      const info = this.#registry.commands.get(command.type)
      if (info === undefined) throw new Error(`${service} schedules ${command.type}, which it does not handle.`)
      // Two commands of one key may be due in the same millisecond: each needs a row of its own.
      const about = keyOf(messageOf(this.#registry, command.type), command.data)
      const key = `${about} ${this.#moment.transaction}.${this.timers.length}`
      this.timers.push({ service, due: Math.ceil(at), partition, name: command.type, key, command, correlation })
    }
  }

  /** What each channel gets, in the order in which heads are locked. */
  inOrder(): Fresh[] {
    const order = ({ channel }: Fresh) =>
      `${channel.source}/${channel.topic}/${String(channel.partition).padStart(3, '0')}`
    return [...this.fresh.values()].toSorted((one, other) => (order(one) < order(other) ? -1 : 1))
  }

  /** One append a channel, in the order of `inOrder`. */
  appends(expected: (channel: Channel) => number | undefined): Append[] {
    return this.inOrder().map(({ channel, texts }) => ({
      source: channel.source,
      topic: channel.topic,
      partition: channel.partition,
      generation: channel.generation,
      incarnation: channel.incarnation,
      expected: expected(channel),
      count: texts.length,
      body: `[${texts.join(',')}]`,
    }))
  }

  /** The rows of effects, timers and the trail. */
  writes(): Write[] {
    const writes: Write[] = []
    for (const [service, tables] of this.#registry.tables) {
      const effects = this.effects.filter((row) => row.service === service).map(effectCells)
      if (effects.length > 0) writes.push({ table: tables.effects, mode: 'insert', rows: sorted(effects) })
      const timers = this.timers.filter((row) => row.service === service).map(timerCells)
      // The same timer may be armed again: a row says only that somebody should look.
      if (timers.length > 0) writes.push({ table: tables.timers, mode: 'upsert', rows: sorted(timers, 4) })
    }
    const trail = [...this.trail].map(([correlation, notes]): Row => {
      return [correlation, this.#moment.transaction, notes.length === 0 ? null : JSON.stringify(notes)]
    })
    if (trail.length > 0) writes.push({ table: trailTable, mode: 'upsert', rows: sorted(trail, 2) })
    return writes
  }
}

/** What the log stores of a record. @throws where that is more than it takes. */
function textOf({ type, data }: Message, key: string, { correlation, cause, traceparent }: Origin): string {
  const text = bodyTextOf({ type, key, data, correlation, cause, traceparent })
  if (text.length > MAX_RECORD_CHARACTERS)
    throw new RecordTooLarge(`${type} is larger than ${MAX_RECORD_CHARACTERS} characters.`)
  return text
}

function messageOf(registry: Registry, type: string): MessageInfo {
  const info = registry.messages.get(type)
  if (info === undefined) throw new Error(`No service handles ${type}.`)
  return info
}

/** The cells of an effect's row, in the order of its table. */
export function effectCells(row: EffectRow & { readonly lastError?: string }): Row {
  return [
    row.id,
    row.version,
    row.effect,
    row.key,
    row.partition,
    JSON.stringify(row.request),
    row.correlation,
    row.cause,
    row.attempts,
    row.due,
    row.requestedIn,
    row.ordinal,
    row.createdAt,
    row.lastError ?? null,
    row.traceparent ?? null,
  ]
}

/** The cells of a timer's row, in the order of its table. */
export function timerCells({ due, partition, name, key, command, correlation }: TimerRow): Row {
  return [due, partition, name, key, command === undefined ? null : JSON.stringify(command), correlation]
}
