// Knows when the next timer of a database comes due, and reads those that are.
import type { Store } from '../ports.ts'
import type { TimerRow } from './outbox.ts'
import { readDueTimers, readNextDues } from './stored-rows.ts'

/** Timers that may not fire yet, or belong to another process, are looked at again after this long. */
export const TIMER_RECHECK_MS = 100

export class TimerWatch {
  readonly #store: Store
  readonly #services: readonly string[]
  readonly #isOurs: (timer: TimerRow) => boolean
  /** When somebody should look; infinity when there is no timer. */
  next = 0

  constructor(store: Store, services: readonly string[], isOurs: (timer: TimerRow) => boolean) {
    this.#store = store
    this.#services = services
    this.#isOurs = isOurs
  }

  /** A timer was written. */
  expect(due: number): void {
    this.next = Math.min(this.next, due)
  }

  /** Another process may have written timers: look at the next chance. */
  look(): void {
    this.next = 0
  }

  /** Those that are due may not fire yet. */
  wait(now: number): void {
    this.next = Math.max(this.next, now + TIMER_RECHECK_MS)
  }

  async due(now: number): Promise<TimerRow[]> {
    if (now < this.next) return []
    const due: TimerRow[] = []
    if (this.#services.length === 0) {
      this.next = Number.POSITIVE_INFINITY
      return due
    }
    const dues = await readNextDues(this.#store, this.#services)
    for (const [at, service] of this.#services.entries()) {
      if ((dues[at] ?? 0) <= now) due.push(...(await readDueTimers(this.#store, service, now)))
    }
    const next = Math.min(...dues)
    const ours = due.filter(this.#isOurs)
    // What this process does not hold must not wake it again and again.
    this.next = ours.length > 0 ? now : Math.max(next, now + TIMER_RECHECK_MS)
    return ours
  }
}
