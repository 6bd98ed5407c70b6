// The loop of one process and database: one batch at a time of all that waits; the rest happens after its commit.
import type { Reply } from '../../kernel/route.ts'
import type { Submission } from '../application.ts'
import { Overloaded } from '../application.ts'
import { CommitUnknown, StoreUnavailable } from '../ports.ts'
import { createIds } from '../ids.ts'
import type { Channel } from './channels.ts'
import { Channels, readCursors } from './channels.ts'
import { Crossings } from './crossings.ts'
import type { CommandInput, Input } from './inputs.ts'
import { commandInput, stillOpen } from './inputs.ts'
import type { Round } from './round.ts'
import type { Batch, Delivery } from './round-context.ts'
import { BatchRunner, NOTHING } from './batch-runner.ts'
import { PauseMemory } from '../operations/pause-memory.ts'
import { Breakers } from '../parking/breakers.ts'
import { Parking } from '../parking/parking.ts'
import { type Retry, dueRetries } from '../parking/retry.ts'
import { readBacklog } from './backlog.ts'
import { HandChanges } from './hand-changes.ts'
import { dueTimers, grow, join } from './growth.ts'
import { HeadWatch } from './head-watch.ts'
import { HeldPartitions } from './held-partitions.ts'
import { DocumentCache } from './document-cache.ts'
import { EffectOwners } from './effect-owners.ts'
import { EffectExecutor } from './effect-executor.ts'
import type { TimerRow } from './outbox.ts'
import { ChangeListeners } from './change-listeners.ts'
import { Setbacks } from './setbacks.ts'
import { TIMER_RECHECK_MS, TimerWatch } from './timer-watch.ts'
import { MAX_WAITING_INPUTS, WaitingInputs } from './waiting-inputs.ts'
import { readOpenEffects } from './stored-rows.ts'
import { OneByOne } from '../takeover/one-by-one.ts'
import { Takeovers } from '../takeover/takeovers.ts'
import type { RuntimeOptions } from './runtime-options.ts'

/** A copy that lags is given so long before the command is tried again. */
const CATCH_UP_MS = 50
const STORE_RETRY_MS = 250

export class Runtime {
  readonly options: RuntimeOptions
  readonly channels: Channels
  readonly #held: HeldPartitions
  readonly executor: EffectExecutor
  readonly newId: () => string
  readonly #waiting = new WaitingInputs()
  readonly #listeners: ChangeListeners
  readonly #timers: TimerWatch
  readonly #byHand: HandChanges
  readonly #idle = new Set<() => void>()
  readonly #logIds = new Map<string, string>()
  readonly parking: Parking
  readonly takeovers: Takeovers
  readonly #crossings: Crossings
  readonly #owners: EffectOwners
  readonly #oneByOne: OneByOne
  readonly pauses: PauseMemory
  readonly #batches: BatchRunner
  readonly #setbacks: Setbacks
  /** On PostgreSQL other processes write too: there every batch reads. */
  readonly #cache: DocumentCache | undefined
  #isStarting = true
  #isScheduled = false
  #isRunning = false
  /** Somebody came, or told that there is something new, after the step in hand had looked there. */
  #isWokenMeanwhile = false
  /** Why the store can't be used at present. */
  storeError: string | undefined
  #isStopped = false
  readonly #heads: HeadWatch
  #staleMemory = true
  #cancelAlarm: () => void = () => undefined

  constructor(options: RuntimeOptions) {
    this.options = options
    const { registry, hosted, works, clock, random, store } = options
    const groups = works ? registry.groups.filter(({ service }) => hosted.includes(service)) : []
    this.channels = new Channels(registry, groups)
    this.#held = new HeldPartitions(options.membership, this.channels, works)
    this.newId = createIds(clock, random)
    this.#heads = new HeadWatch({ ...options, channels: this.channels })
    this.#listeners = new ChangeListeners(clock)
    this.#cache = store.dialect === 'sqlite' ? new DocumentCache() : undefined
    const worked = works ? hosted : []
    this.pauses = new PauseMemory({ store, hosted: worked, channels: this.channels })
    this.parking = new Parking({
      ...options,
      hosted: worked,
      isPaused: (group, partition) => this.pauses.holds(group, partition),
      breakers: new Breakers(options),
      holds: this.#held.holds,
    })
    this.#batches = new BatchRunner({
      ...options,
      parking: this.parking,
      newId: this.newId,
      channels: this.channels,
      cache: this.#cache,
      isOurs: this.isOurs,
      afresh: (inputs) => this.#afresh(inputs),
      committed: (round) => this.#finish(round),
      failed: (failure) => this.#setbacks.failed(failure),
    })
    this.#timers = new TimerWatch({
      store,
      services: worked,
      partitions: () => this.channels.workPartitions,
      isOurs: (service, partition) => this.#held.holdsWork(partition) && !this.pauses.holds(service, partition),
    })
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
    const { channels, executor, parking, pauses, isOurs } = this
    const readAgain = this.#forget
    this.#crossings = new Crossings({ ...options, channels, isOurs, readAgain })
    this.#owners = new EffectOwners({ clock, holds: this.#held.holdsWork, readAgain })
    this.#setbacks = new Setbacks({ ...options, channels, executor, parking, isOurs })
    this.takeovers = new Takeovers({ ...options, channels, parking, holds: this.#held.holds })
    this.#oneByOne = new OneByOne({ store, clock, takeovers: this.takeovers, batches: this.#batches })
    this.#byHand = new HandChanges({ ...options, parking, pauses, timers: this.#timers, cursorsMoved: this.#forget })
  }

  /** Reads where everything stands and goes on from there. */
  async start(): Promise<void> {
    const { hosted, store, membership } = this.options
    for (const service of hosted) this.#logIds.set(service, (await store.identity(service)).logId)
    membership.onChange(this.#forget)
    membership.onAnnounced((sources) => this.#lookAgain(sources))
    await join(membership, this.options.clock)
    await this.#recall()
    this.#isStarting = false
    this.#wake()
  }

  /** Finishes the batch in hand and stops; what waits is in the store or is refused. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.executor.stop()
    this.#cancelAlarm()
    if (this.#isRunning) await new Promise<void>((resolve) => this.#idle.add(resolve))
    this.#waiting.refuse(new StoreUnavailable('The server is stopping: send the request again.'))
    await this.options.membership.stop()
  }

  /** @see Application.submit */
  submit(submission: Submission): Promise<Reply> {
    const { registry, clock } = this.options
    if (this.#isStopped) return Promise.reject(new StoreUnavailable('The server is stopping: send the request again.'))
    if (this.#waiting.isFull) {
      return Promise.reject(new Overloaded(`${MAX_WAITING_INPUTS} requests wait already`))
    }
    const { command, scope } = submission
    const reaction = registry.reactionTo(command)
    const info = registry.messages.get(command.type)
    if (reaction === undefined || info === undefined) throw new Error(`No service handles ${command.type}.`)
    return new Promise<Reply>((resolve, reject) => {
      const own = { scope: scope ?? this.newId(), now: clock.now(), resolve, reject }
      this.#enqueue(commandInput({ submission, reaction, info }, own))
    })
  }

  /** @see Application.changed */
  changed(correlation: string, limitMs: number): Promise<void> {
    return this.#listeners.next(correlation, limitMs)
  }

  /**
   * Resolves when nothing waits or is tried again and no effect is open. Timers of the future don't count, nor does
   * what waits for a person: dead letters, and all of a paused group.
   */
  settled(): Promise<void> {
    return this.isQuiet() ? Promise.resolve() : new Promise((resolve) => this.#idle.add(resolve))
  }

  isQuiet(): boolean {
    return this.isIdle() && this.executor.open === 0 && !this.parking.isTrying && !this.#setbacks.isTrying
  }

  /** Nothing waits to be handled; calls to the outside may be under way or wait for their time. */
  isIdle(): boolean {
    return !this.#isRunning && !this.#isScheduled && this.#waiting.isEmpty
  }

  #enqueue(input: Input): void {
    this.#waiting.add(input)
    this.#wake()
  }

  #wake(): void {
    this.#isWokenMeanwhile = true
    // A share that comes before the start has read everything would be looked at with half of it in memory.
    if (this.#isStarting || this.#isScheduled || this.#isRunning || this.#isStopped) return
    this.#isScheduled = true
    this.options.clock.after(this.options.batchWaitMs ?? 0, () => {
      this.#isScheduled = false
      // Stopped in between: the store may be closed already.
      if (!this.#isStopped) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    this.#isWokenMeanwhile = false
    let pauseMs: number | undefined = 0
    try {
      pauseMs = await this.#step()
      if (this.#isWokenMeanwhile) pauseMs = 0
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
    const times = pauseMs === undefined ? [] : [clock.now() + pauseMs]
    // A store that is away is not looked for more often because something is due.
    if (this.storeError === undefined) times.push(this.#timers.next, this.parking.next, this.#setbacks.next)
    const next = Math.min(...times)
    if (next === Number.POSITIVE_INFINITY) return
    this.#cancelAlarm = clock.after(Math.max(1, next - clock.now()), () => this.#wake())
  }

  /** @returns how long to pause before the next step: 0 goes on at once, undefined waits for a wake-up. */
  async #step(): Promise<number | undefined> {
    await this.#byHand.follow()
    if (this.#staleMemory) await this.#recall()
    else if (this.#heads.isStale) await this.#heads.readStale()
    if (this.channels.hasGrown) await this.#recall()
    const { clock } = this.options
    const now = clock.now()
    const timers = await this.#dueTimers(now)
    const inputs = this.#waiting.take()
    try {
      const retries = await this.#dueRetries(now)
      const backlog = await this.#backlog(now)
      const { suspects } = this.takeovers
      const { rest, alone } = suspects.apart({ inputs, backlog, timers, retries })
      const units = suspects.isCalm ? alone : [...alone, ...suspects.records(await this.#backlog(now, true))]
      const isIdle = rest.inputs.length + backlog.length + rest.timers.length + rest.retries.length === 0
      if (isIdle && units.length === 0 && timers.length === 0) return undefined
      await this.takeovers.takeUp(rest)
      const wasEmpty = isIdle || (await this.#batches.commit(rest))
      const hadTurns = (await this.#oneByOne.handle(units)) > 0
      if (!wasEmpty || hadTurns) return 0
      if (timers.length > 0) this.#timers.wait(clock.now())
      return TIMER_RECHECK_MS
    } catch (error) {
      if (error instanceof StoreUnavailable || error instanceof CommitUnknown)
        this.#waiting.giveBack(inputs, error, clock.now())
      throw error
    }
  }

  /** @param alone of the suspects, which are handled one by one, or of all others. */
  #backlog(now: number, alone = false): Promise<Delivery[]> {
    return readBacklog({
      takes: ({ suspect }) => (suspect !== undefined) === alone,
      ...this.options,
      channels: this.channels,
      isOurs: this.isOurs,
      waits: (cursor) => this.#crossings.waits(cursor),
      now,
      alarm: (cursor, message, kind) => this.#setbacks.alarm(cursor, message, kind),
    })
  }

  async #dueRetries(now: number): Promise<readonly Retry[]> {
    return this.takeovers.suspects.judged(await dueRetries({ ...this.options, parking: this.parking }, now))
  }

  /** What is left of a batch after somebody else wrote: memory is read again, answers that were taken are dropped. */
  async #afresh(inputs: readonly Input[]): Promise<Batch> {
    await this.#recall()
    const now = this.options.clock.now()
    const left = stillOpen(inputs, await readOpenEffects(this.options))
    const [timers, retries] = [await this.#dueTimers(now), await this.#dueRetries(now)]
    const { rest } = this.takeovers.suspects.apart({ ...NOTHING, backlog: await this.#backlog(now), timers, retries })
    return { ...rest, inputs: left }
  }

  /** Whether this process works on the partition; what it knows of others' cursors is as old as its last look. */
  isOurs = ({ partitions, partition }: Channel): boolean => this.#held.holds(partitions, partition)

  /** After the commit, never before: answers, calls to the outside, wake-ups. */
  #finish(round: Round): void {
    for (const [input, outcome] of round.outcomes) {
      if (outcome.kind === 'reply') input.resolve(outcome.reply)
      else if (outcome.kind === 'later') this.#waitForCopy(input)
      else input.reject(outcome.error)
    }
    for (const input of round.taken) input.taken()
    for (const [input, row] of round.attempted) input.taken(row)
    const { membership } = this.options
    this.executor.add(this.#owners.ofFresh(round.outbox.effects))
    for (const { due } of round.outbox.timers) this.#timers.expect(due)
    this.#setbacks.take(round)
    this.#oneByOne.committed(round)
    this.#listeners.tell(round.outbox.trail.keys())
    const sources = new Set([...round.outbox.fresh.keys()].map(({ source }) => source))
    if (sources.size === 0) return
    membership.announce([...sources])
    this.options.grown([...sources])
  }

  /** The copy that the command was refused by may lag: it is tried again until it has caught up or patience is over. */
  #waitForCopy(input: CommandInput): void {
    this.options.clock.after(CATCH_UP_MS, () => {
      this.noticed('all')
      this.#enqueue(input)
    })
  }

  #dueTimers(now: number): Promise<readonly TimerRow[]> {
    const { channels } = this
    return dueTimers({ timers: this.#timers, heads: this.#heads, channels, crossings: this.#crossings }, now)
  }

  /** Another process wrote, or the poll floor passed: then all is looked at, but seldom, since nothing hints at it. */
  #lookAgain(sources: readonly string[] | 'all'): void {
    if (sources === 'all' && !this.#heads.isPollDue()) return
    this.#timers.look()
    this.#byHand.hear(sources)
    this.noticed(sources)
  }

  /** A person changed what is parked or paused, here. */
  changedByHand(news: string): void {
    this.#byHand.tell(news)
    this.#wake()
  }

  /** Logs grew elsewhere. */
  noticed(sources: readonly string[] | 'all'): void {
    this.#heads.note(sources)
    this.#wake()
  }

  #forget = (): void => {
    this.#staleMemory = true
    this.#wake()
  }

  /** Reads afresh what is kept in memory. */
  async #recall(): Promise<void> {
    const { store, hosted, works } = this.options
    this.#staleMemory = false
    this.#held.refresh()
    this.takeovers.inherit()
    this.#cache?.clear()
    await this.#heads.readAll()
    const { channels, parking } = this
    if (channels.hasGrown) await grow({ ...this.options, channels, held: this.#held })
    this.#timers.look()
    if (works) await readCursors(store, hosted, channels)
    // After the cursors: a projection's swap raises them, so its old table goes with old versions, and a conflict.
    await this.options.recalled?.()
    if (!works) return
    // After the cursors: whatever was parked before they moved on is seen.
    await parking.recall()
    await this.takeovers.review()
    await this.pauses.recall()
    const open = await readOpenEffects(this.options)
    this.executor.takeOver(open, this.#owners.of(open, channels.isScaled))
  }

  #afterFailure(error: unknown): number {
    const { observer } = this.options
    this.#staleMemory = true
    const { message } = error as Error
    if (this.storeError === undefined) observer.storeDown(error as Error)
    this.storeError = message
    this.#waiting.giveBackAll(error as Error, this.options.clock.now())
    return STORE_RETRY_MS
  }
}
