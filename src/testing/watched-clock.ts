// A clock that knows what is still armed on it, and that can hold back what should happen at once.
import type { Clock } from '../platform/ports.ts'
import type { VirtualClock } from './virtual-clock.ts'

export interface WatchedClock {
  readonly clock: Clock | VirtualClock
  /** The delays, in milliseconds, of all calls that are neither made nor cancelled. */
  readonly armed: () => readonly number[]
  /** What is asked for without delay meanwhile, as every batch is, comes only afterwards. */
  readonly holdingBatches: <Result>(work: () => Promise<Result>) => Promise<Result>
}

export function watchClock(clock: Clock | VirtualClock): WatchedClock {
  const armed = new Set<{ readonly delayMs: number }>()
  let held: (() => void)[] | undefined
  const after: Clock['after'] = (delayMs, call) => {
    const alarm = { delayMs }
    armed.add(alarm)
    const ring = () => {
      if (armed.delete(alarm)) call()
    }
    const cancel = held === undefined || delayMs > 0 ? clock.after(delayMs, ring) : undefined
    if (cancel === undefined) held?.push(ring)
    return () => {
      armed.delete(alarm)
      cancel?.()
    }
  }
  return {
    clock: { ...clock, after },
    armed: () => [...armed].map(({ delayMs }) => delayMs),
    holdingBatches: async (work) => {
      const waiting: (() => void)[] = (held = [])
      try {
        return await work()
      } finally {
        held = undefined
        for (const ring of waiting) ring()
      }
    },
  }
}
