// The callers of a history: each sends its command under one key until it is answered, and remembers every answer.
import type { Reply } from '../../src/kernel/route.ts'
import { Refusal } from '../../src/kernel/refuse.ts'
import type { Lonja } from '../../src/platform/runtime/lonja.ts'
import type { Fail, Oracle } from './oracle.ts'
import type { SimulatedNode } from './node.ts'
import type { RareCounts } from './rare.ts'
import type { SeededRandom } from './random.ts'
import { ask } from './ask.ts'
import { requestOf } from './requests.ts'
import type { Command } from './workload.ts'
import type { World } from './world.ts'
import { newLife } from './world.ts'

const PATIENCE_MS = 5000
const AGAIN_MS = 200
const AGAIN_MAX_MS = 10_000
const REPEAT_WITHIN_MS = 30_000

/** What a caller knows of his command. */
export interface Call {
  readonly command: Command
  tries: number
  /** The first final answer, in one line. */
  answer: string | undefined
  isRefused: boolean
  /** The order or return that the answer names. */
  named: string | undefined
  /** It is about something that never came to be, or that never got so far. */
  isDropped: boolean
}

export interface CallersOptions {
  readonly world: World
  readonly oracle: Pick<Oracle, 'orders'>
  readonly nodes: readonly SimulatedNode[]
  readonly random: SeededRandom
  readonly rare: RareCounts
  readonly fail: Fail
  readonly commands: readonly Command[]
}

export class Callers {
  readonly calls: readonly Call[]
  readonly #options: CallersOptions
  readonly #life = newLife('callers')
  readonly #byId: ReadonlyMap<number, Call>
  /** What waits for an answer to a call, by its number. */
  readonly #waiting = new Map<number, Call[]>()

  constructor(options: CallersOptions) {
    this.#options = options
    this.calls = options.commands.map((command) => ({
      command,
      tries: 0,
      answer: undefined,
      isRefused: false,
      named: undefined,
      isDropped: false,
    }))
    this.#byId = new Map(this.calls.map((call) => [call.command.id, call]))
    for (const call of this.calls) this.#later(call.command.atMs, `c${call.command.id} comes`, () => this.#begin(call))
  }

  #later(delayMs: number, what: string, run: () => void): void {
    this.#options.world.after(this.#life, what, { delayMs, run })
  }

  /** Commands about an order wait until it has been answered, or has come far enough. */
  #begin(call: Call): void {
    const { about, isDoubled, kind } = call.command
    const other = kind === 'place' || about === -1 ? undefined : this.#byId.get(about)
    const isLost = kind !== 'place' && about !== -1 && other === undefined
    if (isLost || other?.isRefused === true || other?.isDropped === true) {
      call.isDropped = true
      this.#release(call)
    } else if (other !== undefined && !this.#isReady(call, other)) {
      this.#waiting.set(about, [...(this.#waiting.get(about) ?? []), call])
    } else {
      if (isDoubled) {
        this.#options.rare.hit('same key sent twice at once')
        this.#send(call)
      }
      this.#send(call)
    }
  }

  #isReady({ command: { kind, id } }: Call, { named }: Call): boolean {
    if (named === undefined) return false
    const seen = this.#options.oracle.orders.get(named)
    // Some come too early, and are refused.
    if (seen === undefined || id % 5 === 0) return true
    if (kind === 'return') return seen.ends > 0
    return kind !== 'give up' || seen.ends > 0 || seen.needsPerson
  }

  /** Looks again at those who wait for an order to come so far. */
  lookAgain(): void {
    for (const [about, calls] of this.#waiting) {
      const other = this.#byId.get(about)
      if (other?.named === undefined || !calls.some((call) => this.#isReady(call, other))) continue
      this.#waiting.set(
        about,
        calls.filter((call) => !this.#isReady(call, other)),
      )
      for (const call of calls)
        if (this.#isReady(call, other)) this.#later(1, `c${call.command.id} goes on`, () => this.#begin(call))
    }
  }

  /** The answers to these calls were lost with what they did: the next count as the first. What they named stays. */
  forget(calls: Iterable<Call>): void {
    for (const call of calls) Object.assign(call, { answer: undefined, isRefused: false })
  }

  #release({ command: { id } }: Call): void {
    const calls = this.#waiting.get(id) ?? []
    this.#waiting.delete(id)
    for (const call of calls) this.#begin(call)
  }

  #send(call: Call): void {
    const { nodes, random, world } = this.#options
    const { service } = requestOf(call.command, '')
    const open = nodes.filter((node) => node.isOpen && node.hosts(service))
    const node = open[random.below(Math.max(1, open.length))]
    call.tries += 1
    const againMs = Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** call.tries)
    if (node?.lonja === undefined) {
      this.#later(againMs, `c${call.command.id} finds nobody`, () => this.#send(call))
      return
    }
    if (call.tries > 1) this.#options.rare.hit('command run again by its key')
    let isOver = false
    const again = (delayMs: number) => {
      if (isOver) return
      isOver = true
      if (call.answer === undefined) this.#later(delayMs, `c${call.command.id} tries again`, () => this.#send(call))
    }
    const cancel = world.after(this.#life, `c${call.command.id} loses patience`, {
      delayMs: PATIENCE_MS,
      run: () => again(0),
    })
    this.#submit(call, node.lonja).then(
      (reply) => {
        isOver = true
        cancel()
        this.#answered(call, { reply })
      },
      (error: unknown) => {
        cancel()
        if (error instanceof Refusal) {
          isOver = true
          this.#answered(call, { refusal: error })
        } else {
          world.note(`c${call.command.id} fails: ${String(error).slice(0, 80)}`)
          again(againMs)
        }
      },
    )
  }

  async #submit({ command }: Call, lonja: Lonja): Promise<Reply> {
    const asked = requestOf(command, this.#byId.get(command.about)?.named ?? '')
    const principal = `c${command.id}`
    return ask(lonja, { ...asked, principal, scope: `${principal} ${asked.method} ${asked.path} key#1` })
  }

  #answered(call: Call, { reply, refusal }: { readonly reply?: Reply; readonly refusal?: Refusal }): void {
    const { world, fail, rare } = this.#options
    const name = `c${call.command.id}`
    const answer =
      refusal === undefined ? plainAnswer(reply) : `refused ${refusal.code} ${JSON.stringify(refusal.details)}`
    if (reply?.headers?.['idempotency-replayed'] === 'true') rare.hit('kept answer given again')
    if (call.answer !== undefined) {
      if (call.answer !== answer) fail('answers differ', `${name} was answered ${call.answer}, and then ${answer}`)
      if (refusal !== undefined) rare.hit('kept refusal given again')
      return
    }
    world.note(`${name} answered: ${answer.slice(0, 60)}`)
    call.answer = answer
    call.isRefused = refusal !== undefined
    const body = (reply?.body ?? {}) as { readonly orderId?: string; readonly returnId?: string }
    call.named = body.returnId ?? body.orderId
    this.#release(call)
    if (call.command.isRepeated) {
      const delayMs = this.#options.random.below(REPEAT_WITHIN_MS)
      this.#later(delayMs, `${name} repeats itself`, () => this.#send(call))
    }
  }
}

function plainAnswer(reply: Reply | undefined): string {
  const { 'idempotency-replayed': _, ...headers } = reply?.headers ?? {}
  return JSON.stringify({ status: reply?.status, headers, body: reply?.body })
}
