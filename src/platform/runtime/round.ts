// One batch: inputs and backlog are handled, what they append is handed on from memory until quiet, then one commit.
import type { AuditEntry } from '../audit/audit.ts'
import { auditWrites } from '../audit/audit.ts'
import type { Context } from '../../kernel/handler.ts'
import type { SagaState } from '../../kernel/saga-decider.ts'
import { Refusal } from '../../kernel/refuse.ts'
import type { Turn } from '../parking/round-parking.ts'
import { RoundParking } from '../parking/round-parking.ts'
import { RoundRetries } from '../parking/round-retries.ts'
import type { Plan, Row, Transaction, Write } from '../ports.ts'
import { answerName } from '../takeover/item.ts'
import { partitionFor } from '../log/murmur2.ts'
import { BARRIER, generationBehind } from '../log/barrier.ts'
import type { Channel, Cursor } from './channels.ts'
import { mayHandle } from './barriers.ts'
import { setGeneration } from './crossing.ts'
import { Commands, mayCatchUp } from './commands.ts'
import type { Batch, Delivery, FailedInput, RoundContext } from './round-context.ts'
import type { AnswerInput, AttemptInput, CommandInput, CommandOutcome, Input } from './inputs.ts'
import type { EffectRow, TrailNote } from './outbox.ts'
import { Outbox } from './outbox.ts'
import { ProjectionSet } from './projection-set.ts'
import { RecordHandler } from './record-handler.ts'
import { RoundTimers, mayFire } from './round-timers.ts'
import { sagaKind } from './saga-reaction.ts'
import { WorkingSet } from './working-set.ts'
import { cursorWrites, effectWrites, streamWrites, timerWrites } from './round-writes.ts'
import type { Table } from '../ports.ts'

/** A chain longer than this goes on in the next batch. The whole saga needs seven passes between two answers. */
const MAX_PASSES = 16
/** What one batch may append before it stops cascading, so that its commit stays short. */
const MAX_RECORDS = 6000

export class Round {
  readonly outbox: Outbox
  readonly failedInputs: FailedInput[] = []
  readonly outcomes = new Map<CommandInput, CommandOutcome>()
  readonly taken: AnswerInput[] = []
  /** Failed tries of effects, with their rows as they become. */
  readonly attempted = new Map<AttemptInput, EffectRow>()
  readonly handler: RecordHandler
  readonly parking: RoundParking
  records = 0
  readonly #context: RoundContext
  readonly #transaction: Transaction
  readonly #documents: WorkingSet
  readonly #projections: ProjectionSet
  readonly #commands: Commands
  readonly #positions = new Map<Cursor, number>()
  /** The generations behind the barriers that the batch passes. */
  readonly #passed = new Map<Cursor, number>()
  readonly #halted = new Set<Cursor>()
  readonly #audit: AuditEntry[] = []
  readonly #retries: RoundRetries
  readonly timers: RoundTimers
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
    const { outbox } = this
    const [documents, projections, system] = [this.#documents, this.#projections, this.#system]
    const { hand, parking, newId } = context
    this.handler = new RecordHandler({ registry, documents, projections, outbox, channels, system, hand })
    const parts = { registry, parking, handler: this.handler, outbox, now, newId, hand }
    this.parking = new RoundParking(parts)
    this.#retries = new RoundRetries(parts, this.parking.aside)
    this.timers = new RoundTimers({ context, documents, handler: this.handler, outbox, system })
  }

  /** Runs inputs, retries, the backlog and what they lead to, then the timers that nothing unread could make void. */
  async run({ inputs, backlog, timers, retries }: Batch): Promise<void> {
    await Promise.all([this.#takeInputs(inputs), this.parking.load(this.#transaction)])
    await this.#retries.run(retries, this.#transaction)
    this.records += this.#retries.records
    await this.deliver(backlog, 'log')
    await this.#cascade()
    const progress = { positionOf: (cursor: Cursor) => this.positionOf(cursor), fresh: this.outbox.fresh }
    const ready = timers.filter((timer) => mayFire(this.#context.channels, timer, progress))
    if (ready.length === 0) return
    await this.timers.fire(ready, this.#transaction)
    await this.#cascade()
  }

  async #takeInputs(inputs: readonly Input[]): Promise<void> {
    const commands = inputs.filter((input) => input.kind === 'command')
    await this.#commands.load(this.#transaction, commands)
    const attempts = inputs.filter((input) => input.kind === 'attempt')
    const answers = inputs.filter((input) => input.kind === 'answer')
    const { hand } = this.#context
    for (const { reaction, submission } of commands) {
      hand.unnamed('command', reaction)
      this.handler.wantFor(reaction, submission.command.data)
    }
    for (const input of answers) {
      hand.unnamed('answer', input.reaction)
      this.handler.wantFor(input.reaction, { request: input.row.request, answer: input.answer })
    }
    hand.down()
    await this.#documents.load(this.#transaction)
    for (const input of attempts) {
      const row = { ...input.row, version: input.row.version + 1, attempts: input.row.attempts + 1, due: input.due }
      this.attempted.set(input, row)
      this.outbox.note(row.correlation, this.#noteOf('effect', row, `try ${row.attempts} failed: ${input.error}`))
    }
    for (const input of answers) this.#takeAnswer(input)
    for (const input of commands) this.outcomes.set(input, this.#takeCommand(input))
    hand.down()
  }

  #takeInHand({ row }: AnswerInput): void {
    const { hand, channels } = this.#context
    const { partition, version } = row
    hand.named('answer', { name: answerName(row), at: version, partitions: channels.workPartitions, partition })
  }

  #takeCommand(input: CommandInput): CommandOutcome {
    const known = this.#commands.known(input)
    if (known !== undefined) return known
    const outcome = this.#decide(input)
    this.#commands.keep(input, outcome)
    return outcome
  }

  #decide(input: CommandInput): CommandOutcome {
    const { reaction, submission, key, patientUntil } = input
    const { command, principal, role, traceparent, deed } = submission
    const { now, newId, registry, channels } = this.#context
    const service = registry.services.find(({ name }) => name === reaction.service)
    this.#context.hand.unnamed('command', reaction)
    try {
      this.#documents.begin(reaction.service)
      const outcomes = reaction.handle(command.data, this.#documents, { now, newId, principal, role })
      const reply = submission.reply(this.#documents)
      const origin = {
        service: reaction.service,
        correlation: key,
        cause: `http ${command.type} by ${principal}`,
        traceparent,
        partition: partitionFor(key, channels.workPartitions),
      }
      this.outbox.take(outcomes, origin)
      this.#documents.keep()
      if (deed !== undefined) this.#audit.push({ ...deed, id: newId(), at: now, principal, role })
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
    this.#takeInHand(input)
    this.#context.hand.handler(reaction)
    try {
      this.#documents.begin(reaction.service)
      const outcomes = reaction.handle({ request: row.request, answer }, this.#documents, this.#system)
      this.outbox.take(outcomes, { ...row, cause: `effect ${row.id}` })
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
  async deliver(deliveries: readonly Delivery[], from: 'log' | 'memory'): Promise<void> {
    const { hand } = this.#context
    hand.recordsFrom(from)
    for (const { cursor, records } of deliveries) {
      for (const record of records) {
        // Nothing of one that killed its process is run again, not even what names its states.
        if (cursor.sentence?.sequence === record.sequence) continue
        hand.record(cursor.index, record.sequence)
        this.handler.want(cursor.group, record)
      }
    }
    hand.down()
    await this.handler.load(this.#transaction)
    hand.recordsFrom(from)
    for (const delivery of deliveries) this.#handleInOrder(delivery)
    hand.down()
  }

  #handleInOrder({ cursor, records }: Delivery): void {
    let position = this.positionOf(cursor)
    let generation = this.#passed.get(cursor) ?? cursor.generation
    for (let index = 0; index < records.length; index += 1) {
      const record = records[index]
      // Applying anything above a gap would hide a lost record for ever.
      if (record === undefined || !isNext(cursor, record.sequence, position)) break
      if (record.generation !== generation) this.#passed.set(cursor, (generation = record.generation))
      // In another partition a key's earlier records may be unread, or be parked by now.
      const { crossing } = cursor
      if (generation > crossing.settled && !mayHandle(crossing, generation, this.#passed)) break
      if (record.type === BARRIER) this.#passed.set(cursor, (generation = generationBehind(record)))
      else if (!this.#pass({ cursor, record, records, index })) {
        this.#halted.add(cursor)
        break
      }
      position = record.sequence + 1
    }
    if (position !== cursor.next) this.#positions.set(cursor, position)
  }

  /** @returns whether the cursor may pass the record: it was handled, or put where it waits for its turn. */
  #pass(turn: Turn): boolean {
    const fate = this.parking.before(turn)
    if (fate !== 'handle') return fate === 'passed'
    this.#context.hand.record(turn.cursor.index, turn.record.sequence)
    try {
      this.handler.handle(turn.cursor.group, turn.record)
    } catch (error) {
      return this.parking.failed(turn, error) === 'passed'
    }
    this.parking.succeeded(turn)
    this.records += 1
    return true
  }

  /** Where the sagas that this batch moved stand now. */
  movedSagas(): { readonly saga: string; readonly status: SagaState['status'] }[] {
    return this.#context.registry.sagas.flatMap((saga) =>
      this.#documents
        .changedOf(sagaKind(saga))
        .map((state) => ({ saga: saga.name, status: (state as SagaState).status })),
    )
  }

  /** Hands what was appended to the groups of this process, pass by pass until quiet. */
  async #cascade(): Promise<void> {
    if (!this.#context.cascades) return
    for (let pass = 0; pass < MAX_PASSES && this.outbox.records < MAX_RECORDS; pass += 1) {
      const deliveries = this.#offers()
      if (deliveries.length === 0) return
      await this.deliver(deliveries, 'memory')
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
        // After a set-back it still read what was before: past the first number of now it would be taken back to that.
        if (cursor.incarnation !== channel.incarnation) continue
        deliveries.push({ cursor, records: offered === 0 ? records.slice() : records.slice(offered) })
      }
    }
    return deliveries
  }

  /** By the clock of the runtime: what its records are stamped with. */
  get startedAt(): number {
    return this.#context.now
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
      this.parking.isEmpty &&
      this.timers.fired.length === 0
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
      ...cursorWrites(registry, this.#positions, this.#passed),
      ...this.#commands.writes(),
      ...this.parking.writes(),
      ...streamWrites(registry, this.#documents.streamed(), now),
      ...this.#documents.changes(),
      ...effectWrites(registry, this.taken, this.attempted),
      ...timerWrites(registry, this.timers.fired),
      ...this.outbox.writes(),
      ...this.#projections.changes(),
      ...auditWrites(this.#audit),
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
    this.parking.applied()
    for (const [cursor, position] of this.#positions) {
      cursor.next = position
      cursor.version += 1
      cursor.tries = 0
      cursor.stopped = undefined
      cursor.refused = undefined
      if (cursor.sentence !== undefined && cursor.sentence.sequence < position) cursor.sentence = undefined
    }
    for (const [cursor, generation] of this.#passed) {
      setGeneration(cursor, generation)
      // Whoever waits for this barrier looks again at once.
      for (const sibling of cursor.crossing.cursors) if (sibling.stoppedFor === 'barrier') sibling.stopped = undefined
    }
    this.outbox.inOrder().forEach(({ channel, records }, index) => {
      channel.next = (firsts[index] ?? channel.next) + records.length
      channel.appendedAt = Math.max(channel.appendedAt, this.#context.now)
    })
  }
}

/** The numbers of others only rise; those of our own logs have no holes. */
function isNext({ channel }: Cursor, sequence: number, position: number): boolean {
  return channel.hasHoles ? sequence >= position : sequence === position
}

/** Whether a cursor stands still at this moment. */
export function isStopped(cursor: Cursor, now: number): boolean {
  return cursor.paused !== undefined || (cursor.stopped !== undefined && now < cursor.retryAt)
}

function byName(one: { readonly table: Table }, other: { readonly table: Table }): number {
  const name = ({ table }: { readonly table: Table }) => `${table.schema}.${table.name}`
  return name(one) < name(other) ? -1 : Number(name(one) > name(other))
}
