// Puts messages out of the way in one batch: into the queue of their key, or among the dead letters.
import type { FaultClass } from '../../kernel/fault.ts'
import { faultClassOf } from '../../kernel/fault.ts'
import { MESSAGE_DIED, MessageDied } from '../../kernel/message-died.ts'
import type { LogRecord } from '../log/record.ts'
import { positionOf } from '../log/record.ts'
import type { Row } from '../ports.ts'
import type { Cursor } from '../runtime/channels.ts'
import type { Outbox } from '../runtime/outbox.ts'
import type { RecordHandler } from '../runtime/record-handler.ts'
import type { Group, Registry } from '../runtime/registry.ts'
import type { Hand } from '../takeover/hand.ts'
import type { DeadLetter } from './dead-letter.ts'
import { deadLetterOf } from './dead-letter.ts'
import type { Failure } from './failure.ts'
import { failureOf } from './failure.ts'
import type { Mirrored } from './mirror-row.ts'
import { mirrorRow } from './mirror-row.ts'
import type { KeyName, ParkedKey } from './parked-key.ts'
import { retryPlaceOf } from './parked-key.ts'
import type { ParkedMessage } from './parked-message.ts'
import { storedRecordOf } from './parked-message.ts'
import type { Parking } from './parking.ts'
import { ParkingChanges } from './parking-changes.ts'
import { retryDelayMs } from './policy.ts'

export interface RoundParts {
  readonly registry: Registry
  readonly parking: Parking
  readonly handler: RecordHandler
  readonly outbox: Outbox
  readonly now: number
  readonly newId: () => string
  readonly hand: Hand
}

/** What somebody should be told of once it is committed. */
export interface ParkingNote {
  readonly what: 'parked' | 'unparked' | 'dead'
  readonly group: string
  readonly keyName: string
  readonly key: string
  /** The message that it is about: where it lies, and never what it says. */
  readonly record: LogRecord
  readonly handler: string
  readonly code: string
  readonly attempts: number
}

/** A fault as it is weighed: whose it is, of which class, and at which try it came. */
export interface Weighed {
  readonly group: Group
  readonly record: LogRecord
  readonly failure: Failure
  readonly attempts: number
}

export class SettingAside {
  readonly changes: ParkingChanges
  readonly notes: ParkingNote[] = []
  /** Copies that are to go to Kafka once all is committed. */
  readonly mirrored: Row[] = []
  readonly #parts: RoundParts
  readonly #fields = new Map<string, string>()

  constructor(parts: RoundParts) {
    this.#parts = parts
    this.changes = new ParkingChanges(parts.parking)
  }

  /** What the record's order is kept by in this group; one without a key is parked alone. */
  nameOf({ name: group }: Group, record: LogRecord): KeyName {
    if (record.key === '') return { group, keyName: '', key: positionOf(record) }
    return { group, keyName: this.#fieldOf(record), key: record.key }
  }

  /** A type that nobody knows goes with the other messages of its topic. */
  #fieldOf({ type, topic }: LogRecord): string {
    const { messages } = this.#parts.registry
    const declared = messages.get(type)?.key ?? this.#fields.get(topic)
    if (declared !== undefined) return declared
    const neighbour = [...messages.values()].find((message) => message.topic === topic)
    const field = neighbour?.key ?? 'key'
    this.#fields.set(topic, field)
    return field
  }

  /** Weighs what was thrown. A body that is not what its contract says explains every fault that it causes. */
  weigh(group: Group, record: LogRecord, error: unknown): Failure {
    const { parking, registry, handler } = this.#parts
    const thrown = faultClassOf(error, parking.policyOf(group).faults)
    const schema = registry.messages.get(record.type)?.schema
    const isSound = schema === undefined || schema.safeParse(record.data).success
    const faultClass: FaultClass = thrown !== 'unknown' && !isSound ? 'undecodable' : thrown
    return failureOf(error, record, { faultClass, handler: handler.inHand, schema })
  }

  /** Weighs a death: nothing of the message is looked at, and it is never tried again by itself. */
  weighDeath({ reactions, name }: Group, record: LogRecord, error: Error): Failure {
    const handlers = (reactions.get(record.type) ?? []).map((reaction) => reaction.name)
    return failureOf(error, record, {
      faultClass: 'permanent',
      handler: handlers.join(', ') || name,
      schema: undefined,
    })
  }

  /** Why no more may be parked in the record's group; undefined while there is room. */
  fullBecause(group: Group, { withKey }: { readonly withKey: boolean }): string | undefined {
    const { maxKeys, maxMessages } = this.#parts.parking.policyOf(group)
    const { keys, messages } = this.changes.load(group.name)
    if (withKey && keys >= maxKeys) return `${keys} keys are parked, the limit is ${maxKeys}`
    return messages >= maxMessages ? `${messages} messages are parked, the limit is ${maxMessages}` : undefined
  }

  /** The record waits behind its key's first message. */
  queue(group: Group, record: LogRecord, parked: ParkedKey): void {
    const position = this.changes.nextPosition(parked)
    const message = { ...this.#untried(parked, record), position }
    this.changes.join(group.service, message)
    this.#mirror({ kind: 'retry', message })
    this.changes.save({ ...parked, messages: parked.messages + 1, tail: position })
  }

  #untried({ group, keyName, key }: KeyName, record: LogRecord): Omit<ParkedMessage, 'position'> {
    return {
      group,
      keyName,
      key,
      ...storedRecordOf(record),
      attempts: 0,
      firstFailedAt: null,
      lastFailedAt: null,
      failure: undefined,
      parkedAt: this.#parts.now,
      deadLetter: null,
    }
  }

  /** The record is the first of its key that could not be handled: it is tried again later, or dead at once. */
  setAside({ channel }: Cursor, weighed: Weighed): void {
    const { now, parking } = this.#parts
    const { group, record, failure, attempts } = weighed
    const name = this.nameOf(group, record)
    const position = this.changes.nextPosition(name)
    const failed = { attempts, firstFailedAt: now, lastFailedAt: now, failure }
    const message: ParkedMessage = { ...this.#untried(name, record), ...failed, position }
    const key: Omit<ParkedKey, 'state' | 'due' | 'messages'> = {
      ...name,
      service: group.service,
      version: 0,
      attempts,
      tail: position,
      ...retryPlaceOf(channel),
      firstFailedAt: now,
      parkedAt: now,
    }
    if (failure.faultClass !== 'transient' && failure.faultClass !== 'unknown') {
      const isHeld = this.bury(weighed, message, undefined) === 'hold'
      if (isHeld) this.changes.save({ ...key, state: 'held', due: now, messages: 0 })
      return
    }
    this.changes.join(group.service, message)
    this.#mirror({ kind: 'retry', message })
    this.changes.save({ ...key, state: 'retrying', due: now + retryDelayMs(attempts, parking.random), messages: 1 })
    this.note('parked', weighed, name)
  }

  /** The message becomes a dead letter, and the service says so. @returns what becomes of its key. */
  bury(weighed: Weighed, message: ParkedMessage, before: DeadLetter | undefined): 'hold' | 'skip' {
    const { now, newId, parking } = this.#parts
    const { group, record } = weighed
    const letter = deadLetterOf(message, { id: newId(), now, before })
    this.changes.letter(group.service, letter)
    this.#mirror({ kind: 'dlq', letter })
    this.note('dead', weighed, message)
    // The news of a death holds up nobody, and its own death is no news.
    if (record.type === MESSAGE_DIED) return 'skip'
    if (group.projection === undefined && group.feed === undefined) this.#announce(weighed, letter)
    return parking.policyOf(group).whenDead(record.topic)
  }

  #mirror(mirrored: Mirrored): void {
    const { parking, newId } = this.#parts
    if (parking.mirrors) this.mirrored.push(mirrorRow(newId(), mirrored))
  }

  #announce({ group, record }: Weighed, { id, keyName, key, failure }: DeadLetter): void {
    const { correlation, traceparent, partition, type, data } = record
    const { code, faultClass } = failure
    const died = MessageDied({
      group: group.name,
      type,
      keyName,
      key,
      code,
      faultClass,
      deadLetterId: id,
      ids: idsIn(data),
    })
    const origin = { service: group.service, correlation, cause: positionOf(record), traceparent, partition }
    this.#parts.outbox.take([died], origin)
  }

  note(what: ParkingNote['what'], { record, failure, attempts }: Omit<Weighed, 'group'>, name: KeyName): void {
    const { group, keyName, key } = name
    this.notes.push({ what, group, keyName, key, record, handler: failure.handler, code: failure.code, attempts })
  }
}

/** The identifiers that a message names; those of nothing that can not be read. */
function idsIn(data: unknown): Record<string, string> {
  const named = Object.entries(Object(data) as Record<string, unknown>).filter(([field]) => field.endsWith('Id'))
  return Object.fromEntries(named.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
