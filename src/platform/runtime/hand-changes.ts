// What people change beside the log, here or in another process: what is parked, what is paused, where groups stand.
import type { PauseMemory } from '../operations/pause-memory.ts'
import { PAUSE_NEWS } from '../operations/pause-memory.ts'
import type { Parking } from '../parking/parking.ts'
import { PARKING_NEWS } from '../parking/parking.ts'
import type { Membership } from '../ports.ts'
import type { TimerWatch } from './timer-watch.ts'

/** What is announced to other processes when a person set a group's offsets. No service has this name. */
export const CURSOR_NEWS = '#cursors'

export interface HandChangesOptions {
  readonly membership: Membership
  readonly parking: Parking
  readonly pauses: PauseMemory
  readonly timers: TimerWatch
  /** Cursors have moved: what is kept in memory of them is void. */
  readonly cursorsMoved: () => void
}

export class HandChanges {
  readonly #options: HandChangesOptions

  constructor(options: HandChangesOptions) {
    this.#options = options
  }

  /** Another process announced, or may have and was not heard. */
  hear(news: readonly string[] | 'all'): void {
    const { parking, pauses, cursorsMoved } = this.#options
    if (news === 'all' || news.includes(PARKING_NEWS)) parking.forget()
    if (news === 'all' || news.includes(PAUSE_NEWS)) pauses.isStale = true
    if (news !== 'all' && news.includes(CURSOR_NEWS)) cursorsMoved()
  }

  /** A person changed something through this process. */
  tell(news: string): void {
    this.hear([news])
    this.#options.membership.announce([news])
  }

  /** Before a batch: whoever was resumed goes on at once, with his timers and parked keys, too. */
  async follow(): Promise<void> {
    const { parking, pauses, timers } = this.#options
    if (!pauses.isStale) return
    await pauses.recall()
    timers.look()
    parking.next = 0
  }
}
