// One batch: inputs and backlog are handled, what they append is handed on from memory until quiet, then one commit.
import type { Context } from '../../kernel/handler.ts'
import type { SagaState } from '../../kernel/saga-decider.ts'
import { Refusal } from '../../kernel/refuse.ts'
import type { LogRecord } from '../log/record.ts'
import { positionOf } from '../log/record.ts'
import type { Plan, Row, Transaction, Write } from '../ports.ts'
import type { Channel, Cursor } from './channels.ts'
import { Commands, mayCatchUp } from './commands.ts'
import type { Delivery, FailedInput, FailedTimer, Fault, RoundContext } from './round-context.ts'
import type { AnswerInput, AttemptInput, CommandInput, CommandOutcome, Input } from './inputs.ts'
import type { EffectRow, Origin, TimerRow, TrailNote } from './outbox.ts'
import { Outbox } from './outbox.ts'
import { ProjectionSet } from './projection-set.ts'
import type { Reaction } from './registry.ts'
import { sagaKind } from './saga-reaction.ts'
import { WorkingSet } from './working-set.ts'
import { cursorWrites, effectWrites, streamWrites, timerWrites } from './round-writes.ts'
import type { Table } from '../ports.ts'

/** A chain longer than this goes on in the next batch. The whole saga needs seven passes between two answers. */
const MAX_PASSES = 16
/** What one batch may append before it stops cascading, so that its commit stays short. */
const MAX_RECORDS = 6000

const TIMER_RETRY_MS = 10_000

export class Round {
  readonly outbox: Outbox
  readonly faults: Fault[] = []
  readonly failedInputs: FailedInput[] = []
  readonly failedTimers: FailedTimer[] = []
  readonly firedTimers: TimerRow[] = []
  readonly outcomes = new Map<CommandInput, CommandOutcome>()
  readonly taken: AnswerInput[] = []
  /** Failed tries of effects, with their rows as they become. */
  readonly attempted = new Map<AttemptInput, EffectRow>()
  /** Messages and time by reaction: what the histograms of handlers are made of. */
  readonly handled = new Map<Reaction, { count: number; ms: number }>()
  records = 0
  readonly #context: RoundContext
  readonly #transaction: Transaction
  readonly #documents: WorkingSet
  readonly #projections: ProjectionSet
  readonly #commands: Commands
  readonly #positions = new Map<Cursor, number>()
  readonly #halted = new Set<Cursor>()
  readonly #system: Context

  constructor(context: RoundContext, transaction: Transaction) {
    this.#context = context
    this.#transaction = transaction
    const { registry, channels, now, strict } = context
    this.outbox = new Outbox(registry, channels, { now, transaction: context.transaction, storedForm: strict })
    this.#documents = new WorkingSet(registry, strict, context.cache)
    this.#projections = new ProjectionSet(context.liveTable)
    this.#commands = new Commands(registry, now)
    this.#system = { now, newId: context.newId, principal: 'system', role: 'admin' }
  }

  /** Runs the inputs, the backlog and what they lead to, then the timers that nothing unread could make void. */
  async run(inputs: readonly Input[], backlog: readonly Delivery[], timers: readonly TimerRow[]): Promise<void> {
    await this.#takeInputs(inputs)
    await this.deliver(backlog)
    await this.#cascade()
    const ready = timers.filter((timer) => this.#mayFire(timer))
    if (ready.length === 0) return
    await this.#fire(ready)
    await this.#cascade()
  }

  async #takeInputs(inputs: readonly Input[]): Promise<void> {
    const commands = inputs.filter((input) => input.kind === 'command')
    await this.#commands.load(this.#transaction, commands)
    const attempts = inputs.filter((input) => input.kind === 'attempt')
    const answers = inputs.filter((input) => input.kind === 'answer')
    for (const { reaction, submission } of commands) this.#want(reaction, submission.command.data)
    for (const { reaction, row, answer } of answers) this.#want(reaction, { request: row.request, answer })
    await this.#documents.load(this.#transaction)
    for (const input of attempts) {
      const row = { ...input.row, version: input.row.version + 1, attempts: input.row.attempts + 1, due: input.due }
      this.attempted.set(input, row)
      this.outbox.note(row.correlation, this.#noteOf('effect', row, `try ${row.attempts} failed: ${input.error}`))
    }
    for (const input of answers) this.#takeAnswer(input)
    for (const input of commands) this.outcomes.set(input, this.#takeCommand(input))
  }

  #want(reaction: Reaction, data: unknown): void {
    try {
      this.#documents.want(reaction.service, reaction.loads(data))
    } catch {
      // The handler itself meets the same unsound data and its fault is counted there.
    }
  }

  #takeCommand(input: CommandInput): CommandOutcome {
    const known = this.#commands.known(input)
    if (known !== undefined) return known
    const outcome = this.#decide(input)
    this.#commands.keep(input, outcome)
    return outcome
  }

  #decide(input: CommandInput): CommandOutcome {
    const { reaction, submission, key, partition, patientUntil } = input
    const { command, principal, role, traceparent } = submission
    const { now, newId, registry } = this.#context
    const service = registry.services.find(({ name }) => name === reaction.service)
    try {
      this.#documents.begin(reaction.service)
      const outcomes = reaction.handle(command.data, this.#documents, { now, newId, principal, role })
      const reply = submission.reply(this.#documents)
      const origin = {
        service: reaction.service,
        correlation: key,
        cause: `http ${command.type} by ${principal}`,
        traceparent,
        partition,
      }
      this.outbox.take(outcomes, origin)
      this.#documents.keep()
      // What a command said names it as its cause; one that said nothing would otherwise be missing in the story.
      if (outcomes.length === 0) {
        this.outbox.note(key, {
          at: now,
          service: reaction.service,
          what: 'command',
          name: command.type,
          detail: principal,
        })
      }
      return { kind: 'reply', reply }
    } catch (error) {
      if (!(error instanceof Refusal)) return { kind: 'fault', error }
      const waits = now < patientUntil && mayCatchUp(service?.codes ?? {}, error)
      return waits ? { kind: 'later' } : { kind: 'refusal', error }
    }
  }

  #takeAnswer(input: AnswerInput): void {
    const { reaction, row, answer } = input
    try {
      this.#documents.begin(reaction.service)
      const outcomes = reaction.handle({ request: row.request, answer }, this.#documents, this.#system)
      this.outbox.take(outcomes, { ...row, traceparent: undefined, cause: `effect ${row.id}` })
      this.#documents.keep()
      this.taken.push(input)
      // An answer at the first try is told by the cause of what it led to.
      if (answer.outcome === 'gave-up' || answer.attempts > 1 || outcomes.length === 0) {
        const detail = answer.outcome === 'gave-up' ? `gave up: ${answer.reason}` : `answered at try ${answer.attempts}`
        this.outbox.note(row.correlation, this.#noteOf('effect', row, detail))
      }
    } catch (error) {
      this.failedInputs.push({ input, error })
    }
  }

  #noteOf(what: TrailNote['what'], { service, effect }: EffectRow, detail: string): TrailNote {
    return { at: this.#context.now, service, what, name: effect, detail }
  }

  /** Handles records group by group: all their states in one load, then each record over what those before it left. */
  async deliver(deliveries: readonly Delivery[]): Promise<void> {
    for (const { cursor, records } of deliveries) {
      const { reactions, folds, projection } = cursor.group
      for (const record of records) {
        for (const reaction of reactions.get(record.type) ?? []) this.#want(reaction, record.data)
        const folding = folds.get(record.type)
        if (folding !== undefined && projection !== undefined)
          this.#projections.want({ service: cursor.group.service, projection }, folding, record)
      }
    }
    await Promise.all([this.#documents.load(this.#transaction), this.#projections.load(this.#transaction)])
    for (const delivery of deliveries) this.#handleInOrder(delivery)
  }

  #handleInOrder({ cursor, records }: Delivery): void {
    let position = this.positionOf(cursor)
    for (const record of records) {
      // Applying anything above a gap would hide a lost record for ever.
      if (record.sequence !== position) break
      try {
        this.#handle(cursor, record)
      } catch (error) {
        this.faults.push({ cursor, record, error })
        this.#halted.add(cursor)
        break
      }
      position += 1
      this.records += 1
    }
    if (position !== cursor.next) this.#positions.set(cursor, position)
  }

  #handle({ group }: Cursor, record: LogRecord): void {
    for (const reaction of group.reactions.get(record.type) ?? []) {
      const startedAt = performance.now()
      this.#documents.begin(reaction.service)
      const outcomes = reaction.handle(record.data, this.#documents, this.#system)
      this.outbox.take(outcomes, this.#originOf(reaction, record))
      this.#documents.keep()
      this.#timed(reaction, performance.now() - startedAt)
    }
    const folds = group.folds.get(record.type)
    const { service, projection } = group
    if (folds !== undefined && projection !== undefined) this.#projections.fold({ service, projection }, folds, record)
  }

  #timed(reaction: Reaction, ms: number): void {
    const times = this.handled.get(reaction)
    if (times === undefined) this.handled.set(reaction, { count: 1, ms })
    else {
      times.count += 1
      times.ms += ms
    }
  }

  /** Where the sagas that this batch moved stand now. */
  movedSagas(): { readonly saga: string; readonly status: SagaState['status'] }[] {
    return this.#context.registry.sagas.flatMap((saga) =>
      this.#documents
        .changedOf(sagaKind(saga))
        .map((state) => ({ saga: saga.name, status: (state as SagaState).status })),
    )
  }

  #originOf({ service }: Reaction, record: LogRecord): Origin {
    const { correlation, traceparent, partition } = record
    return { service, correlation, cause: positionOf(record), traceparent, partition }
  }

  /** Hands what was appended to the groups of this process, pass by pass until quiet. */
  async #cascade(): Promise<void> {
    if (!this.#context.cascades) return
    for (let pass = 0; pass < MAX_PASSES && this.outbox.records < MAX_RECORDS; pass += 1) {
      const deliveries = this.#offers()
      if (deliveries.length === 0) return
      await this.deliver(deliveries)
    }
  }

  #offers(): Delivery[] {
    const { isOurs, now } = this.#context
    const deliveries: Delivery[] = []
    for (const fresh of this.outbox.fresh.values()) {
      const { channel, records, offered, first } = fresh
      if (offered === records.length || channel.contendedUntil > now || !isOurs(channel)) continue
      fresh.offered = records.length
      for (const cursor of channel.cursors) {
        // A group that still has a backlog in the store reads these there, after it.
        if (this.#halted.has(cursor) || this.positionOf(cursor) !== first + offered || isStopped(cursor, now)) continue
        deliveries.push({ cursor, records: offered === 0 ? records.slice() : records.slice(offered) })
      }
    }
    return deliveries
  }

  /** A timer fires only when its group has read all that could have answered before it came due. */
  #mayFire({ service, partition }: TimerRow): boolean {
    return this.#context.channels.all.every((channel) => {
      if (channel.partition !== partition) return true
      const end = channel.next + (this.outbox.fresh.get(channel)?.records.length ?? 0)
      return channel.cursors.every((cursor) => cursor.group.name !== service || this.positionOf(cursor) === end)
    })
  }

  async #fire(timers: readonly TimerRow[]): Promise<void> {
    const { registry, now } = this.#context
    const due = timers.map((timer) => {
      const reaction =
        timer.command === undefined ? registry.sagaTimers.get(timer.name) : registry.commands.get(timer.command.type)
      return { timer, reaction, data: timer.command === undefined ? timer.key : timer.command.data }
    })
    for (const { reaction, data } of due) if (reaction !== undefined) this.#want(reaction, data)
    await this.#documents.load(this.#transaction)
    for (const { timer, reaction, data } of due) {
      this.firedTimers.push(timer)
      if (reaction === undefined) continue
      try {
        this.#documents.begin(reaction.service)
        const outcomes = reaction.handle(data, this.#documents, this.#system)
        this.outbox.take(outcomes, { ...timer, cause: `timer ${timer.name}`, traceparent: undefined })
        this.#documents.keep()
        if (outcomes.length === 0) continue
        const note: TrailNote = { at: now, service: timer.service, what: 'timer', name: timer.name, detail: 'came due' }
        this.outbox.note(timer.correlation, note)
      } catch (error) {
        this.failedTimers.push({ timer, error })
        // A failing timer goes to the back of the queue and holds up nobody.
        this.outbox.timers.push({ ...timer, due: now + TIMER_RETRY_MS })
      }
    }
  }

  positionOf(cursor: Cursor): number {
    return this.#positions.get(cursor) ?? cursor.next
  }

  get isEmpty(): boolean {
    return (
      this.#positions.size === 0 &&
      this.outbox.records === 0 &&
      this.outcomes.size === 0 &&
      this.taken.length === 0 &&
      this.attempted.size === 0 &&
      this.firedTimers.length === 0
    )
  }

  /** What the next try of the same batch locks up front. */
  locks(): { readonly table: Table; readonly keys: Row[] }[] {
    const { lockOrder } = this.#context.registry
    return this.#documents
      .locks()
      .toSorted((one, other) => lockOrder(one.table) - lockOrder(other.table) || byName(one, other))
  }

  /** Everything that the batch writes, in the one lock order. */
  plan(): Plan {
    const { registry, now, transaction } = this.#context
    const writes: Write[] = [
      ...cursorWrites(registry, this.#positions),
      ...this.#commands.writes(),
      ...streamWrites(registry, this.#documents.streamed(), now),
      ...this.#documents.changes(),
      ...effectWrites(registry, this.taken, this.attempted),
      ...timerWrites(registry, this.firedTimers),
      ...this.outbox.writes(),
      ...this.#projections.changes(),
    ]
    const ordered = writes.toSorted((one, other) => {
      return registry.lockOrder(one.table) - registry.lockOrder(other.table) || byName(one, other)
    })
    return {
      writes: ordered,
      appends: this.outbox.appends((channel) => this.#expected(channel)),
      appendedAt: now,
      transaction,
    }
  }

  /** Where a group already acted on what the batch appends, the numbers must come out as it was told. */
  #expected(channel: Channel): number | undefined {
    return channel.cursors.some((cursor) => this.positionOf(cursor) > channel.next) ? channel.next : undefined
  }

  /** Memory follows the commit: where each cursor and head is now. */
  applied(firsts: readonly number[]): void {
    this.#documents.remember()
    for (const [cursor, position] of this.#positions) {
      cursor.next = position
      cursor.version += 1
      cursor.tries = 0
      cursor.stopped = undefined
    }
    this.outbox.inOrder().forEach(({ channel, records }, index) => {
      channel.next = (firsts[index] ?? channel.next) + records.length
      channel.appendedAt = Math.max(channel.appendedAt, this.#context.now)
    })
  }
}

/** Whether a cursor stands still at this moment. */
export function isStopped(cursor: Cursor, now: number): boolean {
  return cursor.stopped !== undefined && now < cursor.retryAt
}

function byName(one: { readonly table: Table }, other: { readonly table: Table }): number {
  const name = ({ table }: { readonly table: Table }) => `${table.schema}.${table.name}`
  return name(one) < name(other) ? -1 : Number(name(one) > name(other))
}
