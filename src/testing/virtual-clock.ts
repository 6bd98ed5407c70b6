// A clock that stands still until a test moves it; what is due fires in order, each after the one before has settled.
import type { Clock } from '../platform/ports.ts'

interface Alarm {
  readonly at: number
  readonly order: number
  readonly call: () => void
}

export interface VirtualClock extends Clock {
  /** Moves the time on; after each alarm `settled` is awaited, so that what it led to happens at its time. */
  advance(byMs: number, settled: () => Promise<void>): Promise<void>
}

/** Sunday, 1 February 2026, noon UTC. */
const START = Date.UTC(2026, 1, 1, 12)

export function createVirtualClock(start = START): VirtualClock {
  let now = start
  let order = 0
  const alarms = new Set<Alarm>()
  return {
    now: () => now,
    after(delayMs, call) {
      if (delayMs <= 0) {
        const immediate = setImmediate(call)
        return () => clearImmediate(immediate)
      }
      order += 1
      const alarm = { at: now + delayMs, order, call }
      alarms.add(alarm)
      return () => alarms.delete(alarm)
    },
    async advance(byMs, settled) {
      const end = now + byMs
      for (;;) {
        await settled()
        const next = earliest(alarms)
        if (next === undefined || next.at > end) break
        alarms.delete(next)
        now = Math.max(now, next.at)
        next.call()
      }
      now = end
      await settled()
    },
  }
}

function earliest(alarms: ReadonlySet<Alarm>): Alarm | undefined {
  let first: Alarm | undefined
  for (const alarm of alarms) {
    if (first === undefined || alarm.at < first.at || (alarm.at === first.at && alarm.order < first.order))
      first = alarm
  }
  return first
}
