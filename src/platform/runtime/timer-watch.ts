// Knows when the next timer of a database comes due, and reads those that are.
import type { Store } from '../ports.ts'
import type { TimerRow } from './outbox.ts'
import { readDueTimers, readNextDues } from './stored-rows.ts'

/** Timers that may not fire yet are looked at again after this long. */
export const TIMER_RECHECK_MS = 100

export interface TimerWatchOptions {
  readonly store: Store
  readonly services: readonly string[]
  /** How many partitions timers are shared out by. */
  readonly partitions: () => number
  /** Whether the timers of this partition are this process's, and nobody has paused them. */
  readonly isOurs: (service: string, partition: number) => boolean
}

export class TimerWatch {
  readonly #options: TimerWatchOptions
  /** When somebody should look; infinity when there is no timer. */
  next = 0

  constructor(options: TimerWatchOptions) {
    this.#options = options
  }

  /** A timer was written. */
  expect(due: number): void {
    this.next = Math.min(this.next, due)
  }

  /** Another process may have written timers, or partitions came or went on: look at the next chance. */
  look(): void {
    this.next = 0
  }

  /** Those that are due may not fire yet. */
  wait(now: number): void {
    this.next = Math.max(this.next, now + TIMER_RECHECK_MS)
  }

  async due(now: number): Promise<TimerRow[]> {
    if (now < this.next) return []
    const { store, services, partitions, isOurs } = this.#options
    const due: TimerRow[] = []
    if (services.length === 0) {
      this.next = Number.POSITIVE_INFINITY
      return due
    }
    const all = Array.from({ length: partitions() }, (_, partition) => partition)
    // What may not fire here must neither wake this process again and again nor fill its batch.
    const wanted = services.map((service) => {
      return { service, without: all.filter((partition) => !isOurs(service, partition)) }
    })
    const dues = await readNextDues(store, wanted)
    for (const [at, { service, without }] of wanted.entries()) {
      if ((dues[at] ?? 0) <= now) {
        const found = await readDueTimers(store, service, { now, without })
        due.push(...found.filter(({ partition }) => isOurs(service, partition)))
      }
    }
    this.next = due.length > 0 ? now : Math.max(Math.min(...dues), now + TIMER_RECHECK_MS)
    return due
  }
}
