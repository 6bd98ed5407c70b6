// Callers who wait for the next change of one correlation.
import type { Clock } from '../ports.ts'

export class ChangeListeners {
  readonly #clock: Clock
  readonly #waiting = new Map<string, Set<() => void>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves after the next commit here that touched the correlation, or after the limit. */
  next(correlation: string, limitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const listeners = this.#waiting.get(correlation) ?? new Set()
    this.#waiting.set(correlation, listeners)
    const done = (): void => {
      cancel()
      listeners.delete(done)
      if (listeners.size === 0) this.#waiting.delete(correlation)
      resolve()
    }
    const cancel = this.#clock.after(limitMs, done)
    listeners.add(done)
    return promise
  }

  tell(correlations: Iterable<string>): void {
    if (this.#waiting.size === 0) return
    for (const correlation of correlations) {
      for (const listener of this.#waiting.get(correlation) ?? []) listener()
    }
  }
}
