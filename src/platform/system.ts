// The machine's own clock and random source.
import { getRandomValues } from 'node:crypto'
import type { Clock, Random } from './ports.ts'

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (delayMs, call) => {
    // Zero means "when what waits now has run": a timer of 1 ms would cost each batch that millisecond.
    if (delayMs <= 0) {
      const immediate = setImmediate(call)
      return () => clearImmediate(immediate)
    }
    const timeout = setTimeout(call, Math.min(delayMs, MAX_TIMEOUT_MS))
    return () => clearTimeout(timeout)
  },
}

/** Longer delays overflow into an immediate call; what waits longer looks at its own clock when it wakes. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

export const systemRandom: Random = {
  fill: (bytes) => {
    getRandomValues(bytes)
  },
  fraction: () => Math.random(),
}
