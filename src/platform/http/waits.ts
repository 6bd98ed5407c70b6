// Waiting for a state: looks again after each change of a correlation, until the condition holds or time is up.
import type { Application } from '../application.ts'

/**
 * At the latest after this time a waiter looks again: the change may have happened in another process, or under
 * another correlation (a repeated request is answered about the order that its first run placed).
 */
const LOOK_AGAIN_MS = 250

export interface Waits {
  /** Resolves when the condition holds, after the limit, or when the server closes. */
  until(limitMs: number, correlation: () => string, settled: () => Promise<boolean>): Promise<void>
  /** Ends all waits: their requests are answered with the state reached. */
  end(): void
}

export function createWaits(application: Pick<Application, 'now' | 'changed'>): Waits {
  const state = { isEnded: false }
  return {
    async until(limitMs, correlation, settled) {
      const deadline = application.now() + limitMs
      for (let left = limitMs; left > 0 && !state.isEnded; left = deadline - application.now()) {
        // Asked for before looking: a change between the look and the asking would be missed.
        const change = application.changed(correlation(), Math.min(left, LOOK_AGAIN_MS))
        change.catch(ignored)
        if (await settled()) return
        await change
      }
    },
    end() {
      state.isEnded = true
    },
  }
}

// Whoever still waits for the change gets its error from his own await.
function ignored(): void {}
