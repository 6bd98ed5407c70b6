// Runs the handlers and folds of a record over the states of a batch: all that they do, or nothing where one throws.
import { UnknownMessage } from '../../kernel/fault.ts'
import { fedRecords } from '../../kernel/feed.ts'
import type { Context } from '../../kernel/handler.ts'
import type { LogRecord } from '../log/record.ts'
import { positionOf } from '../log/record.ts'
import type { Transaction } from '../ports.ts'
import type { Hand } from '../takeover/hand.ts'
import type { Channels } from './channels.ts'
import type { Origin, Outbox } from './outbox.ts'
import type { ProjectionSet } from './projection-set.ts'
import type { Group, Outcome, Reaction, Registry } from './registry.ts'
import type { WorkingSet } from './working-set.ts'

export interface HandlerParts {
  readonly registry: Registry
  readonly documents: WorkingSet
  readonly projections: ProjectionSet
  readonly outbox: Outbox
  readonly channels: Channels
  readonly system: Context
  readonly hand: Hand
}

/** Whoever counts what handlers do can tell by the principal that this one's outcome is thrown away. */
export const REHEARSAL = 'rehearsal'

export class RecordHandler {
  /** Messages and time by reaction: what the histograms of handlers are made of. */
  readonly handled = new Map<Reaction, { count: number; ms: number }>()
  /** Who had the last record in hand: whom to name when it throws. */
  inHand = ''
  readonly #parts: HandlerParts
  readonly #rehearsing: Context
  /** Why the rows of a record could not be named. */
  readonly #nameless = new Map<LogRecord, unknown>()

  constructor(parts: HandlerParts) {
    this.#parts = parts
    this.#rehearsing = { ...parts.system, principal: REHEARSAL }
  }

  /** Notes the states and rows that the record needs. */
  want({ reactions, folds, projection, service }: Group, record: LogRecord): void {
    for (const reaction of reactions.get(record.type) ?? []) this.wantFor(reaction, record.data)
    const folding = folds.get(record.type)
    if (folding === undefined || projection === undefined) return
    try {
      this.#parts.projections.want({ service, projection }, folding, record)
    } catch (error) {
      // Only this record fails, and not before its turn.
      this.#nameless.set(record, error)
    }
  }

  wantFor(reaction: Reaction, data: unknown): void {
    try {
      this.#parts.documents.want(reaction.service, reaction.loads(data))
    } catch {
      // The handler itself meets the same unsound data and its fault is counted there.
    }
  }

  /** Loads what was wanted: one statement a kind and projection, sent together. */
  async load(transaction: Transaction): Promise<void> {
    await Promise.all([this.#parts.documents.load(transaction), this.#parts.projections.load(transaction)])
  }

  /** @throws whatever a handler, fold or feed of the record throws; then it is as if the record had never been. */
  handle(group: Group, record: LogRecord): void {
    const reactions = group.reactions.get(record.type)
    const folds = group.folds.get(record.type)
    const { documents, outbox, channels, projections, registry, system } = this.#parts
    if (reactions !== undefined) {
      documents.begin(group.service)
      const outcomes = this.#outcomesOf(reactions, record, system)
      outbox.take(outcomes, originOf(group, record, channels))
      documents.keep()
    } else if (folds === undefined && !registry.messages.has(record.type)) {
      this.inHand = group.name
      throw new UnknownMessage(`${group.name} has never heard of ${record.type}.`)
    }
    if (group.feed !== undefined) this.#feed(group, record)
    const { service, projection } = group
    if (folds === undefined || projection === undefined) return
    this.inHand = group.name
    if (this.#nameless.has(record)) throw this.#nameless.get(record)
    projections.fold({ service, projection }, folds, record)
  }

  #feed(group: Group, record: LogRecord): void {
    const rules = group.fed.get(record.type)
    if (rules === undefined) return
    this.inHand = group.name
    this.#parts.outbox.feed(fedRecords(rules, record), record.key, originOf(group, record, this.#parts.channels))
  }

  /** Whether the record could be handled now; nothing comes of it. */
  canHandle(group: Group, record: LogRecord): boolean {
    const { documents, projections } = this.#parts
    const { service, projection } = group
    const folds = group.folds.get(record.type)
    const before = this.inHand
    try {
      documents.begin(service)
      for (const reaction of group.reactions.get(record.type) ?? [])
        reaction.handle(record.data, documents, this.#rehearsing)
      if (folds !== undefined && projection !== undefined) projections.rehearse({ service, projection }, folds, record)
      fedRecords(group.fed.get(record.type) ?? [], record)
      return true
    } catch {
      return false
    } finally {
      // What the handlers put is left behind here.
      documents.begin(service)
      this.inHand = before
    }
  }

  /** Together or not at all: a record that one of them refuses is tried again by all of them. */
  #outcomesOf(reactions: readonly Reaction[], record: LogRecord, system: Context): readonly Outcome[] {
    const [only] = reactions
    if (reactions.length === 1 && only !== undefined) return this.#outcomes(only, record, system)
    return reactions.flatMap((reaction) => this.#outcomes(reaction, record, system))
  }

  #outcomes(reaction: Reaction, record: LogRecord, system: Context): readonly Outcome[] {
    this.inHand = reaction.name
    this.#parts.hand.handler(reaction)
    const startedAt = performance.now()
    const outcomes = reaction.handle(record.data, this.#parts.documents, system)
    this.#timed(reaction, performance.now() - startedAt)
    return outcomes
  }

  #timed(reaction: Reaction, ms: number): void {
    const times = this.handled.get(reaction)
    if (times === undefined) this.handled.set(reaction, { count: 1, ms })
    else {
      times.count += 1
      times.ms += ms
    }
  }
}

function originOf({ service }: Group, record: LogRecord, channels: Channels): Origin {
  const { correlation, traceparent } = record
  const partition = channels.workPartitionOf(record)
  return { service, correlation, cause: positionOf(record), traceparent, partition }
}
