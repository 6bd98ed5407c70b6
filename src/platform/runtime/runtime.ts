// The loop of one process and database: one batch at a time of all that waits; everything else happens after its commit.
import type { Reply } from '../../kernel/route.ts'
import { keyOf, topicNamed } from '../../kernel/message.ts'
import type { Projection } from '../../kernel/projection.ts'
import type { Submission } from '../application.ts'
import { Overloaded } from '../application.ts'
import { partitionFor } from '../log/murmur2.ts'
import type { Clock, Locks, Membership, Random, Store, Table } from '../ports.ts'
import { CommitUnknown, Conflict, StoreUnavailable } from '../ports.ts'
import { createIds } from '../ids.ts'
import type { Channel } from './channels.ts'
import { Channels, readCursors } from './channels.ts'
import type { CommandInput, Input } from './inputs.ts'
import type { Observer } from './observer.ts'
import type { Delivery, Fault, RoundContext } from './round.ts'
import { Round } from './round.ts'
import { readBacklog } from './backlog.ts'
import { EffectExecutor } from './effect-executor.ts'
import type { TimerRow } from './outbox.ts'
import { readDueTimers, readNextDue, readOpenEffects } from './stored-rows.ts'
import type { Registry } from './registry.ts'

/** What waits beyond this is refused: the caller should come back later. */
const MAX_WAITING_INPUTS = 5000
/** More in one batch serves nobody sooner: 256 callers make batches of 31 ms. */
const MAX_INPUTS = 256
/** Conflicts in a row before the batch is taken apart. */
const MAX_CONFLICTS = 8
/** A channel where another process appended first is read back from the store for this long. */
const CONTENDED_MS = 500
/** Quick tries of a record in place; after them its cursor stands still, is looked at again ever more rarely. */
const QUICK_TRIES = 3
const RETRY_BASE_MS = 50
const RETRY_MAX_MS = 60_000
const STORE_RETRY_MS = 250
/** A command whose refusal may come from a lagging copy is tried again for this long. */
const PATIENCE_MS = 2000
const TIMER_RECHECK_MS = 100

/** What one batch is made of. */
interface Batch {
  readonly inputs: readonly Input[]
  readonly backlog: readonly Delivery[]
  readonly timers: readonly TimerRow[]
}

export interface RuntimeOptions {
  readonly registry: Registry
  /** The services whose state this runtime's store keeps. */
  readonly hosted: readonly string[]
  /** Whether their groups, timers and effects run here, or only commands and reads. */
  readonly works: boolean
  readonly store: Store
  /** The store of any service's log: another one where a service has its own database. */
  readonly storeOf: (service: string) => Store
  readonly clock: Clock
  readonly random: Random
  readonly membership: Membership
  readonly adapters: Readonly<Record<string, unknown>>
  readonly observer: Observer
  /** Told after each commit whose logs grew: runtimes of other databases in this process read on. */
  readonly grown: (sources: readonly string[]) => void
  readonly liveTable: (service: string, projection: Projection) => Table
  /** Tests: freeze documents, hand on records in their stored form. */
  readonly strict?: boolean
}

export class Runtime {
  readonly options: RuntimeOptions
  readonly channels: Channels
  readonly executor: EffectExecutor
  readonly newId: () => string
  #waiting: Input[] = []
  readonly #listeners = new Map<string, Set<() => void>>()
  readonly #idle = new Set<() => void>()
  readonly #logIds = new Map<string, string>()
  #nextTransaction = 0
  #nextTimer = 0
  #isScheduled = false
  #isRunning = false
  /** Why the store can't be used at present. */
  storeError: string | undefined
  #isStopped = false
  #staleHeads = false
  #staleMemory = true
  #cancelAlarm: () => void = () => undefined

  constructor(options: RuntimeOptions) {
    this.options = options
    const { registry, hosted, works, clock, random } = options
    const groups = works ? registry.groups.filter(({ service }) => hosted.includes(service)) : []
    this.channels = new Channels(registry, groups)
    this.newId = createIds(clock, random)
    this.executor = new EffectExecutor({
      registry,
      adapters: options.adapters,
      clock,
      logIdOf: (service) => this.#logIds.get(service) ?? '',
      submit: (input) => this.#enqueue(input),
      report: ({ row, error }) => {
        options.observer.fault({ group: row.service, position: row.id, type: row.effect }, error)
      },
    })
  }

  /** Reads where everything stands and goes on from there. */
  async start(): Promise<void> {
    const { hosted, store, membership } = this.options
    for (const service of hosted) this.#logIds.set(service, (await store.identity(service)).logId)
    membership.onChange(() => this.#forget())
    membership.onAnnounced(() => {
      this.#staleHeads = true
      this.#nextTimer = 0
      this.#wake()
    })
    await membership.start()
    await this.#recall()
    this.#wake()
  }

  /** Finishes the batch in hand and stops; what waits is in the store or is refused. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.executor.stop()
    this.#cancelAlarm()
    if (this.#isRunning) await new Promise<void>((resolve) => this.#idle.add(resolve))
    for (const input of this.#waiting.splice(0)) {
      if (input.kind === 'command') input.reject(new StoreUnavailable('The server is stopping: send the request again.'))
    }
    await this.options.membership.stop()
  }

  /** @see Application.submit */
  submit(submission: Submission): Promise<Reply> {
    const { registry, clock } = this.options
    if (this.#isStopped) return Promise.reject(new StoreUnavailable('The server is stopping: send the request again.'))
    if (this.#waiting.length >= MAX_WAITING_INPUTS) {
      return Promise.reject(new Overloaded(`${MAX_WAITING_INPUTS} requests wait already`))
    }
    const { command, scope } = submission
    const reaction = registry.commands.get(command.type)
    const info = registry.messages.get(command.type)
    if (reaction === undefined || info === undefined) throw new Error(`No service handles ${command.type}.`)
    const key = keyOf(info, command.data)
    return new Promise<Reply>((resolve, reject) => {
      this.#enqueue({
        kind: 'command',
        submission,
        reaction,
        key,
        partition: partitionFor(key, topicNamed(info.topic).partitions),
        scope: scope ?? this.newId(),
        isFirstTry: scope === undefined,
        patientUntil: clock.now() + PATIENCE_MS,
        resolve,
        reject,
      })
    })
  }

  /** Resolves after the next commit here that touched the correlation, or after the limit. */
  changed(correlation: string, limitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const listeners = this.#listeners.get(correlation) ?? new Set()
    this.#listeners.set(correlation, listeners)
    const done = (): void => {
      cancel()
      listeners.delete(done)
      if (listeners.size === 0) this.#listeners.delete(correlation)
      resolve()
    }
    const cancel = this.options.clock.after(limitMs, done)
    listeners.add(done)
    return promise
  }

  /** Resolves when nothing waits, nothing is behind and no effect is open; timers of the future don't count. */
  settled(): Promise<void> {
    return this.isQuiet() ? Promise.resolve() : new Promise((resolve) => this.#idle.add(resolve))
  }

  isQuiet(): boolean {
    return !this.#isRunning && !this.#isScheduled && this.#waiting.length === 0 && this.executor.open === 0
  }

  #enqueue(input: Input): void {
    this.#waiting.push(input)
    this.#wake()
  }

  #wake(): void {
    if (this.#isScheduled || this.#isRunning || this.#isStopped) return
    this.#isScheduled = true
    this.options.clock.after(0, () => {
      this.#isScheduled = false
      void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    let pauseMs: number | undefined = 0
    try {
      pauseMs = await this.#step()
      if (this.storeError !== undefined) this.options.observer.storeUp()
      this.storeError = undefined
    } catch (error) {
      pauseMs = this.#afterFailure(error)
    }
    this.#isRunning = false
    if (pauseMs === 0) this.#wake()
    else this.#arm(pauseMs)
    if (this.#isStopped || this.isQuiet()) {
      for (const resolve of this.#idle) resolve()
      this.#idle.clear()
    }
  }

  /** Looks again at the next due timer or retry. */
  #arm(pauseMs: number | undefined): void {
    this.#cancelAlarm()
    if (this.#isStopped) return
    const { clock } = this.options
    const times = [this.#nextTimer]
    if (pauseMs !== undefined) times.push(clock.now() + pauseMs)
    for (const { cursors } of this.channels.all) for (const { stopped, retryAt } of cursors) if (stopped !== undefined) times.push(retryAt)
    const next = Math.min(...times)
    if (next === Number.POSITIVE_INFINITY) return
    this.#cancelAlarm = clock.after(Math.max(1, next - clock.now()), () => this.#wake())
  }

  /** @returns how long to pause before the next step: 0 goes on at once, undefined waits for a wake-up. */
  async #step(): Promise<number | undefined> {
    if (this.#staleMemory) await this.#recall()
    else if (this.#staleHeads) await this.#readHeads()
    const { clock } = this.options
    const now = clock.now()
    const timers = await this.#dueTimers(now)
    const inputs = this.#waiting.splice(0, MAX_INPUTS)
    try {
      const backlog = await this.#backlog(now)
      if (inputs.length === 0 && backlog.length === 0 && timers.length === 0) return undefined
      const wasEmpty = await this.#commitBatch({ inputs, backlog, timers })
      return wasEmpty ? TIMER_RECHECK_MS : 0
    } catch (error) {
      if (error instanceof StoreUnavailable || error instanceof CommitUnknown) this.#giveBack(inputs, error)
      throw error
    }
  }

  async #backlog(now: number): Promise<Delivery[]> {
    const { storeOf, observer } = this.options
    return readBacklog({
      channels: this.channels,
      storeOf,
      isOurs: (channel) => this.#isOurs(channel),
      now,
      alarm: (cursor, message) => {
        cursor.stopped = message
        cursor.retryAt = now + RETRY_BASE_MS * 20
        observer.alarm(cursor, message)
      },
    })
  }

  /** Runs the batch whole; where that can't be committed, in its smallest parts. @returns whether nothing was to do. */
  async #commitBatch(batch: Batch): Promise<boolean> {
    try {
      return await this.#untilCommitted(batch, true)
    } catch (error) {
      if (error instanceof StoreUnavailable || error instanceof CommitUnknown) throw error
      await this.#takeApart(batch.inputs)
      return false
    }
  }

  /** A conflict is no fault: memory is read again and the whole batch runs again. */
  async #untilCommitted(first: Batch, cascades: boolean): Promise<boolean> {
    let batch = first
    let locks: readonly Locks[] = []
    for (let conflicts = 0; ; conflicts += 1) {
      const tried = await this.#tryBatch(batch, { locks, cascades })
      if (tried.conflict === undefined) return tried.round.isEmpty
      if (conflicts >= MAX_CONFLICTS) throw tried.conflict
      // The next try waits for its rows in order instead of racing for them again.
      locks = tried.round.locks()
      batch = cascades ? await this.#afresh(batch.inputs) : { ...batch, inputs: (await this.#afresh(batch.inputs)).inputs }
    }
  }

  /** Somebody in the batch has a value that the store refuses: each part alone, so that it costs only itself. */
  async #takeApart(inputs: readonly Input[]): Promise<void> {
    for (const input of inputs) {
      await this.#alone({ inputs: [input], backlog: [], timers: [] }, (error) => {
        if (input.kind === 'command') input.reject(error)
        else if (input.kind === 'answer') this.executor.retryAnswer(input, error)
      })
    }
    await this.#recall()
    for (const delivery of await this.#backlog(this.options.clock.now())) {
      const records = delivery.records.slice(0, 1)
      const [record] = records
      if (record === undefined) continue
      await this.#alone({ inputs: [], backlog: [{ ...delivery, records }], timers: [] }, (error) => {
        this.#standStill({ cursor: delivery.cursor, record, error })
      })
    }
    for (const timer of await this.#dueTimers(this.options.clock.now())) {
      await this.#alone({ inputs: [], backlog: [], timers: [timer] }, (error) => {
        this.options.observer.fault({ group: timer.service, position: `${timer.name} ${timer.key}`, type: 'timer' }, error)
      })
    }
  }

  async #alone(batch: Batch, failed: (error: unknown) => void): Promise<void> {
    try {
      await this.#untilCommitted(batch, false)
    } catch (error) {
      if (error instanceof StoreUnavailable || error instanceof CommitUnknown) throw error
      failed(error)
    }
  }

  /** What is left of a batch after somebody else wrote: memory is read again, answers that were taken are dropped. */
  async #afresh(inputs: readonly Input[]): Promise<Batch> {
    await this.#recall()
    const now = this.options.clock.now()
    const open = new Set<string>()
    for (const service of this.options.hosted) {
      for (const { id } of await readOpenEffects(this.options.store, service)) open.add(`${service} ${id}`)
    }
    const left = inputs.flatMap((input): Input[] => {
      if (input.kind === 'command') return [{ ...input, isFirstTry: false }]
      if (open.has(`${input.row.service} ${input.row.id}`)) return [input]
      if (input.kind === 'answer') input.taken()
      return []
    })
    return { inputs: left, backlog: await this.#backlog(now), timers: await this.#dueTimers(now) }
  }

  async #tryBatch(
    { inputs, backlog, timers }: Batch,
    { locks, cascades }: { readonly locks: readonly Locks[]; readonly cascades: boolean },
  ): Promise<{ readonly round: Round; readonly conflict: Conflict | undefined }> {
    const { store, observer, clock } = this.options
    const startedAt = clock.now()
    const transaction = await store.begin(locks)
    const round = new Round(this.#roundContext(startedAt, cascades), transaction)
    try {
      await round.run(inputs, backlog, timers)
      if (!round.isEmpty) round.applied(await transaction.commit(round.plan()))
    } catch (error) {
      if (!(error instanceof Conflict)) throw error
      observer.conflicted(error.message)
      return { round, conflict: error }
    } finally {
      await transaction.release()
    }
    this.#finish(round)
    observer.committed(round, clock.now() - startedAt)
    return { round, conflict: undefined }
  }

  #roundContext(now: number, cascades: boolean): RoundContext {
    const { registry, strict = false, liveTable } = this.options
    this.#nextTransaction = Math.max(this.#nextTransaction + 1, now * 1000)
    return {
      registry,
      channels: this.channels,
      now,
      transaction: this.#nextTransaction,
      newId: this.newId,
      strict,
      isOurs: (channel) => this.#isOurs(channel),
      cascades,
      liveTable,
    }
  }

  #isOurs({ partitions, partition }: Channel): boolean {
    return this.options.works && this.options.membership.holds(partitions, partition)
  }

  /** After the commit, never before: answers, calls to the outside, wake-ups. */
  #finish(round: Round): void {
    for (const [input, outcome] of round.outcomes) {
      if (outcome.kind === 'reply') input.resolve(outcome.reply)
      else if (outcome.kind === 'later') this.#waitForCopy(input)
      else input.reject(outcome.error)
    }
    for (const input of round.taken) input.taken()
    for (const [input, row] of round.attempted) input.taken(row)
    for (const { input, error } of round.failedInputs) this.executor.retryAnswer(input, error)
    const { works, membership } = this.options
    if (works) this.executor.add(round.outbox.effects.filter(({ partition }) => membership.holds(this.#width, partition)))
    for (const { due } of round.outbox.timers) this.#nextTimer = Math.min(this.#nextTimer, due)
    for (const fault of round.faults) this.#standStill(fault)
    for (const { timer, error } of round.failedTimers) {
      this.options.observer.fault({ group: timer.service, position: `${timer.name} ${timer.key}`, type: 'timer' }, error)
    }
    for (const correlation of round.outbox.trail.keys()) {
      for (const listener of [...(this.#listeners.get(correlation) ?? [])]) listener()
    }
    const sources = new Set([...round.outbox.fresh.keys()].map(({ source }) => source))
    if (sources.size === 0) return
    membership.announce([...sources])
    this.options.grown([...sources])
  }

  /** The number of partitions by which effects and timers are shared out: that of the commands topics. */
  get #width(): number {
    return this.channels.all[0]?.partitions ?? 1
  }

  /** The copy that the command was refused by may lag: it is tried again until it has caught up or patience is over. */
  #waitForCopy(input: CommandInput): void {
    this.options.clock.after(RETRY_BASE_MS, () => {
      this.#staleHeads = true
      this.#enqueue(input)
    })
  }

  #standStill({ cursor, record, error }: Fault): void {
    const { clock, observer } = this.options
    cursor.tries += 1
    cursor.retryAt = clock.now() + Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** cursor.tries)
    cursor.stopped = `${record.type} at ${record.sequence} failed ${cursor.tries} times`
    observer.fault({ group: cursor.group.name, position: `${record.topic}/${record.partition}/${record.sequence}`, type: record.type }, error)
    if (cursor.tries >= QUICK_TRIES) observer.alarm(cursor, cursor.stopped)
  }

  async #dueTimers(now: number): Promise<TimerRow[]> {
    const { works, hosted, store, membership } = this.options
    if (!works || now < this.#nextTimer) return []
    const due: TimerRow[] = []
    let next = Number.POSITIVE_INFINITY
    for (const service of hosted) {
      due.push(...(await readDueTimers(store, service, now)))
      next = Math.min(next, (await readNextDue(store, service)) ?? next)
    }
    const ours = due.filter(({ partition }) => membership.holds(this.#width, partition))
    // What this process does not hold must not wake it again and again.
    this.#nextTimer = ours.length > 0 ? now : Math.max(next, now + TIMER_RECHECK_MS)
    // A head taken after the due time: what lies below it must be read before a timer may fire.
    if (ours.length > 0) await this.#readHeads()
    return ours
  }

  /** Another runtime's log grew. */
  noticed(): void {
    this.#staleHeads = true
    this.#wake()
  }

  #forget(): void {
    this.#staleMemory = true
    this.#wake()
  }

  /** Reads afresh what is kept in memory. */
  async #recall(): Promise<void> {
    const { store, hosted, works, membership } = this.options
    this.#staleMemory = false
    await this.#readHeads()
    this.#nextTimer = 0
    if (!works) return
    for (const service of hosted) await readCursors(store, service, this.channels)
    this.executor.keepOnly(({ partition }) => membership.holds(this.#width, partition))
    for (const service of hosted) {
      const rows = await readOpenEffects(store, service)
      this.executor.add(rows.filter(({ partition }) => membership.holds(this.#width, partition)), { recovered: true })
    }
  }

  async #readHeads(): Promise<void> {
    const { registry, storeOf, clock } = this.options
    const contendedUntil = clock.now() + CONTENDED_MS
    this.#staleHeads = false
    for (const { schema, topics } of registry.schemas) {
      if (topics.length > 0) this.channels.applyHeads(await storeOf(schema).heads(schema), contendedUntil)
    }
  }

  #afterFailure(error: unknown): number {
    const { observer } = this.options
    this.#staleMemory = true
    const { message } = error as Error
    if (this.storeError === undefined) observer.storeDown(error as Error)
    this.storeError = message
    return STORE_RETRY_MS
  }

  /** Nothing is known to have happened: callers are told, answers of effects wait for the next batch. */
  #giveBack(inputs: readonly Input[], error: Error): void {
    for (const input of inputs) {
      if (input.kind === 'command') input.reject(error)
      else this.#waiting.push(input)
    }
  }
}
