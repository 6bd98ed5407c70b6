// The world of one history: everything that may happen next, in an order that the seed decides, on a virtual clock.
import type { Clock } from '../../src/platform/ports.ts'
import { SeededRandom, hashOf } from './random.ts'

/** Something that lives, stops and dies as a whole: a process, the clients, the outside. */
export interface Life {
  readonly name: string
  alive: boolean
  paused: boolean
  /** How far its wall clock is off. */
  skewMs: number
  /** What came due while it was paused. */
  readonly held: Happening[]
}

export interface Happening {
  readonly life: Life
  readonly what: string
  at: number
  readonly order: number
  readonly run: () => void
  /** Beats go on for ever, so a world where nothing else is left is at rest. */
  readonly isBeat: boolean
  /** It follows at once of an idle beat. */
  readonly isEcho: boolean
  /** A beat that finds the same each time: once all was quiet for a while it comes with the next thing that happens. */
  readonly isIdle: boolean
  isOff: boolean
}

/** Monday, 2 February 2026, noon UTC. */
export const WORLD_START = Date.UTC(2026, 1, 2, 12)

export function newLife(name: string): Life {
  return { name, alive: true, paused: false, skewMs: 0, held: [] }
}

/** Never settles: what a dead process waits for. */
export function never<Result>(): Promise<Result> {
  return new Promise<Result>(() => undefined)
}

/** So long after the last thing that happened, beats that find the same each time are put off to the next one. */
const QUIET_MS = 1200
const SECOND_MS = 1000
/** What an idle beat leads to within this belongs to it. */
const AT_ONCE_MS = 500

export class World {
  now = WORLD_START
  steps = 0
  /** A hash over everything that happened: equal for equal histories. */
  traceHash = 0
  readonly trace: string[] | undefined
  readonly #random: SeededRandom
  /** How often the oldest of what is ready comes first: 1 never turns anything around. */
  readonly #orderliness: number
  readonly #ready: Happening[] = []
  readonly #later: Happening[] = []
  #order = 0
  /** What is not a beat and still to come. */
  #open = 0
  /** When something happened last that was no beat, nor came of one at once. */
  #busyAt = WORLD_START
  #isIdleStep = false

  constructor(seed: number, { orderliness, traces }: { readonly orderliness: number; readonly traces: boolean }) {
    this.#random = new SeededRandom(seed, 'schedule')
    this.#orderliness = orderliness
    this.trace = traces ? [] : undefined
  }

  /** Whether nothing but beats is to come. */
  get isAtRest(): boolean {
    return this.#open === 0
  }

  /** Lets something happen to a life; the returned function takes it back. */
  after(life: Life, what: string, { delayMs, run, isBeat = false, isIdle = false }: Coming): () => void {
    if (!life.alive) return () => undefined
    const at = this.now + delayMs
    const isEcho = this.#isIdleStep && delayMs <= AT_ONCE_MS
    const happening = { life, what, at, order: (this.#order += 1), run, isBeat, isEcho, isIdle, isOff: false }
    if (!isBeat) this.#open += 1
    if (delayMs <= 0) this.#ready.push(happening)
    else push(this.#later, happening)
    return () => this.#takeBack(happening)
  }

  /** What is still to come, for the message of a history that does not end. */
  get open(): readonly string[] {
    const all = [...this.#ready, ...this.#later].filter(({ isOff, isBeat }) => !isOff && !isBeat)
    return all.map(({ life, what, at }) => `${life.name}: ${what} at ${at - WORLD_START} ms`)
  }

  #takeBack(happening: Happening): void {
    if (happening.isOff) return
    happening.isOff = true
    if (!happening.isBeat) this.#open -= 1
  }

  /** Resolves after the delay, unless the life ends before. */
  wait(life: Life, what: string, delayMs: number): Promise<void> {
    return new Promise((run) => void this.after(life, what, { delayMs, run }))
  }

  /** The clock of a life: its own idea of now, and alarms that die with it. */
  clockOf(life: Life): Clock {
    return {
      now: () => this.now + life.skewMs,
      after: (delayMs, run) => this.after(life, 'timer', { delayMs, run }),
    }
  }

  /** What a dead process waited for never comes. */
  bury(life: Life): void {
    life.alive = false
    for (const happening of life.held.splice(0)) this.#takeBack(happening)
    for (const happening of [...this.#ready, ...this.#later]) if (happening.life === life) this.#takeBack(happening)
  }

  resume(life: Life): void {
    life.paused = false
    this.#ready.push(...life.held.splice(0))
  }

  note(text: string): void {
    this.traceHash = Math.imul(this.traceHash ^ hashOf(text), 0x01_00_01_93) >>> 0
    this.trace?.push(`${String(this.now - WORLD_START).padStart(9)} ms  ${text}`)
  }

  /** Lets one thing happen, and all that follows from it at once. @returns false where nothing is left. */
  async step(untilMs: number): Promise<boolean> {
    const happening = this.#next(untilMs)
    if (happening === undefined) return false
    this.steps += 1
    this.note(`${happening.life.name}: ${happening.what}`)
    happening.run()
    await drained()
    return true
  }

  #next(untilMs: number): Happening | undefined {
    for (;;) {
      this.#moveDue()
      const happening = this.#takeReady()
      if (happening === undefined) {
        this.#putOff()
        const next = this.#later[0]
        if (next === undefined || next.at > untilMs) return undefined
        this.now = Math.max(this.now, next.at)
      } else if (happening.life.paused) happening.life.held.push(happening)
      else {
        happening.isOff = true
        if (!happening.isBeat) this.#open -= 1
        this.#isIdleStep = happening.isIdle || happening.isEcho
        if (!this.#isIdleStep && !happening.isBeat) this.#busyAt = this.now
        return happening
      }
    }
  }

  /** Idle beats come in their turn after the next thing that happens; a day of them would be a million steps. */
  #putOff(): void {
    const [first] = this.#later
    if (first?.isIdle !== true || first.at < this.#busyAt + QUIET_MS) return
    const busy = this.#later.filter(({ isIdle, isOff }) => !isIdle && !isOff)
    const nextAt = busy.reduce((soonest, { at }) => Math.min(soonest, at), Number.POSITIVE_INFINITY)
    if (nextAt === Number.POSITIVE_INFINITY || nextAt < first.at + QUIET_MS) return
    const idle = this.#later.filter(({ isIdle, isOff, at }) => isIdle && !isOff && at < nextAt)
    for (const happening of idle) happening.at = nextAt + (happening.at % SECOND_MS)
    this.#later.sort((one, other) => one.at - other.at || one.order - other.order)
  }

  #moveDue(): void {
    for (;;) {
      const next = this.#later[0]
      if (next === undefined || (next.at > this.now && !next.isOff)) return
      pop(this.#later)
      if (!next.isOff) this.#ready.push(next)
    }
  }

  #takeReady(): Happening | undefined {
    const ready = this.#ready
    while (ready.length > 0) {
      const isOrderly = ready.length === 1 || this.#random.fraction() < this.#orderliness
      const index = isOrderly ? 0 : this.#random.below(ready.length)
      const [happening] = ready.splice(index, 1)
      if (happening !== undefined && !happening.isOff) return happening
    }
    return undefined
  }
}

interface Coming {
  readonly delayMs: number
  readonly run: () => void
  readonly isBeat?: boolean
  readonly isIdle?: boolean
}

/**
 * Every promise that can settle without anything else happening has settled: a tick comes when no microtask is left.
 * The event loop would be asked each time whether a socket is ready, which took a seventh of a history.
 */
export function drained(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve)
  })
}

function isBefore(one: Happening, other: Happening): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}

function push(heap: Happening[], happening: Happening): void {
  heap.push(happening)
  let at = heap.length - 1
  while (at > 0) {
    const above = (at - 1) >> 1
    if (!swapIf(heap, { above, below: at })) return
    at = above
  }
}

function pop(heap: Happening[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  heap[0] = last
  let at = 0
  for (;;) {
    const left = 2 * at + 1
    const [one, other] = [heap[left], heap[left + 1]]
    if (one === undefined) return
    const below = other !== undefined && isBefore(other, one) ? left + 1 : left
    if (!swapIf(heap, { above: at, below })) return
    at = below
  }
}

/** Puts the earlier of two above the other. @returns false where they stood so already. */
function swapIf(heap: Happening[], { above, below }: { readonly above: number; readonly below: number }): boolean {
  const [upper, lower] = [heap[above], heap[below]]
  if (upper === undefined || lower === undefined || !isBefore(lower, upper)) return false
  heap[above] = lower
  heap[below] = upper
  return true
}
