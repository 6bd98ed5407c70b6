// Calls the outside for the rows of effects: one at a time a key, in order, with limits, retries and a circuit breaker.
import type { Answer, CallContext, EffectRules } from '../../kernel/effect.ts'
import { withoutPersons } from '../parking/failure.ts'
import type { Clock } from '../ports.ts'
import type { AnswerInput, AttemptInput, Input } from './inputs.ts'
import type { EffectRow } from './outbox.ts'
import type { Registry } from './registry.ts'

/** After so many failures in a row nothing is called for a while: the other side is down, not the requests. */
const BREAKER_FAILURES = 20
const BREAKER_PAUSE_MS = 5000
/** An answer whose handler throws is offered again, ever more rarely; the row stays until it is taken. */
const ANSWER_RETRY_BASE_MS = 1000
const ANSWER_RETRY_MAX_MS = 60_000

/** Rows of one key in order; only the first is under way. */
interface Lane {
  readonly name: string
  readonly rows: EffectRow[]
  busy: boolean
}

/** How one effect is doing. */
interface Port {
  readonly rules: EffectRules<unknown, unknown, unknown>
  active: number
  failures: number
  pausedUntil: number
  /** Whether it will be looked at when the pause is over. */
  isArmed: boolean
  /** Lanes whose time has come, in the order in which they came. */
  readonly waiting: Set<Lane>
}

export interface ExecutorOptions {
  readonly registry: Registry
  readonly adapters: Readonly<Record<string, unknown>>
  readonly clock: Clock
  /** The identity of the log that the keys are derived from. */
  readonly logIdOf: (service: string) => string
  readonly submit: (input: Input) => void
  readonly report: (failure: { readonly row: EffectRow; readonly error: unknown }) => void
}

export class EffectExecutor {
  readonly #options: ExecutorOptions
  readonly #lanes = new Map<string, Lane>()
  readonly #ports = new Map<string, Port>()
  readonly #known = new Set<string>()
  /** How often the answer of a row was offered in vain. */
  readonly #offers = new Map<string, number>()
  /** Rows that an earlier process may have called: the provider is asked before anything is called again. */
  readonly #recovered = new Set<string>()
  readonly #cancels = new Set<() => void>()
  #isStopped = false
  /** Set when no call begins any more; told when the last one under way is through. */
  #lastIsThrough: (() => void) | undefined

  constructor(options: ExecutorOptions) {
    this.#options = options
    for (const [name, { effect }] of options.registry.effects) {
      const rules = effect.rules as unknown as EffectRules<unknown, unknown, unknown>
      this.#ports.set(name, { rules, active: 0, failures: 0, pausedUntil: 0, isArmed: false, waiting: new Set() })
    }
  }

  /** How many requests have no answer yet. */
  get open(): number {
    return this.#known.size
  }

  /** Whether a row is under way or waiting here. */
  knows(row: EffectRow): boolean {
    return this.#known.has(idOf(row))
  }

  /** Takes over rows, in the order in which they were requested; those it knows already are left alone. */
  add(rows: readonly EffectRow[], { recovered = false } = {}): void {
    for (const row of rows) {
      const id = idOf(row)
      if (this.#known.has(id)) continue
      this.#known.add(id)
      if (recovered) this.#recovered.add(id)
      const name = `${row.service} ${row.key}`
      let lane = this.#lanes.get(name)
      if (lane === undefined) this.#lanes.set(name, (lane = { name, rows: [], busy: false }))
      lane.rows.push(row)
      if (lane.rows.length === 1) this.#start(lane)
    }
  }

  /** After a start, or when partitions came and went: what is open in ours is called, the rest is forgotten. */
  takeOver(open: readonly EffectRow[], isOurs: (row: EffectRow) => boolean): void {
    this.#keepOnly(isOurs)
    this.add(open.filter(isOurs), { recovered: true })
  }

  /** Forgets everything that is not under way: its partition belongs to another process now. */
  #keepOnly(isOurs: (row: EffectRow) => boolean): void {
    for (const lane of this.#lanes.values()) {
      const kept = lane.rows.filter((row, index) => (index === 0 && lane.busy) || isOurs(row))
      for (const row of lane.rows) if (!kept.includes(row)) this.#known.delete(idOf(row))
      lane.rows.splice(0, lane.rows.length, ...kept)
      if (lane.rows.length === 0) this.#lanes.delete(lane.name)
    }
  }

  /**
   * Begins no call any more. Resolves when what came of those under way is committed, or when the time is over: a mail
   * whose answer is dropped is sent again by the next process.
   */
  async finish(withinMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#lastIsThrough = resolve
    if (withinMs <= 0 || !this.#isCalling()) return
    const cancel = this.#options.clock.after(withinMs, resolve)
    await promise
    cancel()
  }

  #isCalling(): boolean {
    return [...this.#lanes.values()].some(({ busy }) => busy)
  }

  /** What a lane's call led to is committed. */
  #rests(lane: Lane): void {
    lane.busy = false
    if (this.#lastIsThrough !== undefined && !this.#isCalling()) this.#lastIsThrough()
  }

  stop(): void {
    this.#isStopped = true
    for (const cancel of this.#cancels) cancel()
    this.#cancels.clear()
  }

  #start(lane: Lane): void {
    const [row] = lane.rows
    if (row === undefined || lane.busy || this.#isStopped || this.#lastIsThrough !== undefined) return
    // A newer program beside this one has asked for it, and calls it once it works on the partition.
    if (!this.#ports.has(row.effect)) return
    const wait = row.due - this.#options.clock.now()
    if (wait > 0) {
      this.#later(wait, () => this.#start(lane))
      return
    }
    const port = this.#port(row)
    port.waiting.add(lane)
    this.#callNext(port)
  }

  /** Starts as many of those who wait as may be under way at once. */
  #callNext(port: Port): void {
    if (this.#lastIsThrough !== undefined) return
    const { clock } = this.#options
    const pauseMs = port.pausedUntil - clock.now()
    if (pauseMs > 0) {
      if (port.isArmed || port.waiting.size === 0) return
      port.isArmed = true
      this.#later(pauseMs, () => {
        port.isArmed = false
        this.#callNext(port)
      })
      return
    }
    // After a pause one probe goes first; the others follow when it succeeded.
    const limit = port.failures >= BREAKER_FAILURES ? 1 : port.rules.concurrency
    while (port.active < limit) {
      const lane = nextOf(port)
      if (lane === undefined) return
      port.waiting.delete(lane)
      const [row] = lane.rows
      if (row === undefined || lane.busy) continue
      lane.busy = true
      port.active += 1
      void this.#execute(lane, row, port)
    }
  }

  async #execute(lane: Lane, row: EffectRow, port: Port): Promise<void> {
    const outcome = await this.#outcomeOf(row, port.rules)
    port.active -= 1
    if (this.#isStopped) return
    if ('error' in outcome) this.#failed(lane, row, { port, error: outcome.error })
    else {
      port.failures = 0
      this.#answer(lane, row, outcome)
    }
    this.#callNext(port)
  }

  async #outcomeOf(row: EffectRow, rules: Port['rules']): Promise<Answer<unknown> | { readonly error: string }> {
    const attempts = row.attempts + 1
    const { clock, adapters, logIdOf } = this.#options
    const adapter = adapters[rules.adapter]
    const context = { idempotencyKey: `${logIdOf(row.service)}:${row.id}`, attempt: attempts }
    const mayHaveBeenCalled = attempts > 1 || this.#recovered.has(idOf(row))
    // Half of the provider's memory is over: calling again might do it twice, so it can only be asked.
    const isTooOld = clock.now() - row.createdAt > rules.keyLifetimeMs / 2
    try {
      if (mayHaveBeenCalled && rules.ask !== undefined) {
        const { ask } = rules
        const found = await this.#limited(rules, (signal) => ask(adapter, row.request, { ...context, signal }))
        if (found !== undefined) return { outcome: 'answered', result: found, attempts }
      }
      if (isTooOld) return { outcome: 'gave-up', reason: 'the provider no longer knows its idempotency key', attempts }
      const result = await this.#limited(rules, (signal) => rules.call(adapter, row.request, { ...context, signal }))
      return { outcome: 'answered', result, attempts }
    } catch (error) {
      return { error: withoutPersons(error instanceof Error ? error.message : String(error), quotedIn(row, rules)) }
    }
  }

  /** Runs one call under the effect's time limit. */
  async #limited<Result>(
    { timeoutMs }: Port['rules'],
    call: (signal: CallContext['signal']) => Promise<Result>,
  ): Promise<Result> {
    const controller = new AbortController()
    // Promise.race would make four promises more a call.
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    const cancel = this.#later(timeoutMs, () => {
      controller.abort()
      reject(new Error(`no answer within ${timeoutMs} ms`))
    })
    try {
      call(controller.signal).then(resolve, reject)
      return await promise
    } finally {
      cancel()
    }
  }

  #failed(lane: Lane, row: EffectRow, { port, error }: { readonly port: Port; readonly error: string }): void {
    const { clock, submit } = this.#options
    port.failures += 1
    if (port.failures >= BREAKER_FAILURES) port.pausedUntil = clock.now() + BREAKER_PAUSE_MS
    const delay = port.rules.retryDelaysMs[row.attempts]
    if (delay === undefined) {
      this.#answer(lane, row, { outcome: 'gave-up', reason: error, attempts: row.attempts + 1 })
      return
    }
    submit({
      kind: 'attempt',
      row,
      error,
      due: clock.now() + delay,
      taken: (next) => {
        lane.rows[0] = next
        this.#rests(lane)
        this.#start(lane)
      },
      answered: () => this.#done(lane, row),
    })
  }

  #answer(lane: Lane, row: EffectRow, answer: Answer<unknown>): void {
    const { registry, submit } = this.#options
    const reaction = registry.answers.get(row.effect)
    if (reaction === undefined) throw new Error(`No service answers the effect ${row.effect}.`)
    submit({ kind: 'answer', row, reaction, answer, taken: () => this.#done(lane, row) })
  }

  /** The handler of an answer threw, or what became of a call can't be stored: it is kept and offered again. */
  offerAgain(input: AnswerInput | AttemptInput, error: unknown): void {
    this.#options.report({ row: input.row, error })
    const id = idOf(input.row)
    const offers = (this.#offers.get(id) ?? 0) + 1
    this.#offers.set(id, offers)
    const delay = Math.min(ANSWER_RETRY_MAX_MS, ANSWER_RETRY_BASE_MS * 2 ** offers)
    this.#later(delay, () => this.#options.submit(input))
  }

  #done(lane: Lane, row: EffectRow): void {
    const id = idOf(row)
    this.#known.delete(id)
    this.#recovered.delete(id)
    this.#offers.delete(id)
    lane.rows.shift()
    this.#rests(lane)
    if (lane.rows.length === 0) this.#lanes.delete(lane.name)
    else this.#start(lane)
  }

  #port(row: EffectRow): Port {
    const port = this.#ports.get(row.effect)
    if (port === undefined) throw new Error(`No service answers the effect ${row.effect}.`)
    return port
  }

  #later(delayMs: number, call: () => void): () => void {
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#cancels.delete(cancel)
      call()
    })
    this.#cancels.add(cancel)
    return () => {
      this.#cancels.delete(cancel)
      cancel()
    }
  }
}

/** Outside systems like to repeat what they were given; their words go into the story, and into events. */
function quotedIn({ request, key, effect }: EffectRow, { personal }: Port['rules']) {
  const marked = (personal?.(request) ?? []).filter((text) => text !== undefined)
  return { data: request, key, type: effect, marked }
}

/** Whoever came first; as a probe, whoever failed least: what fails by itself must not keep the others out. */
function nextOf({ failures, waiting }: Port): Lane | undefined {
  const [first] = waiting
  if (failures < BREAKER_FAILURES) return first
  const triesOf = ({ rows: [row] }: Lane): number => row?.attempts ?? 0
  let probe = first
  for (const lane of waiting) if (probe === undefined || triesOf(lane) < triesOf(probe)) probe = lane
  return probe
}

function idOf({ service, id }: EffectRow): string {
  return `${service} ${id}`
}
