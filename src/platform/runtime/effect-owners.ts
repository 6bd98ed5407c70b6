// Who calls for a request to the outside after a scaling: an older one of its key may be another process's still.
import type { Clock } from '../ports.ts'
import type { EffectRow } from './outbox.ts'

export interface EffectOwnersOptions {
  readonly clock: Clock
  /** Whether this process works on what is shared out by the partition. */
  readonly holds: (partition: number) => boolean
  /** Has the open requests be read again. */
  readonly readAgain: () => void
}

/** Requests that wait for one of another process are looked at again after this long: a call may be tried for hours. */
const FIRST_RECHECK_MS = 250
const LONGEST_RECHECK_MS = 10_000

export class EffectOwners {
  readonly #options: EffectOwnersOptions
  /** Keys of which another process has an open request. */
  #elsewhere: ReadonlySet<string> = new Set()
  #isArmed = false
  #recheckMs = FIRST_RECHECK_MS

  constructor(options: EffectOwnersOptions) {
    this.#options = options
  }

  /**
   * Finds those that may be called here. One at a time a key and in order: what was made under the old count of
   * partitions comes before what was made under the new one, and that waits for it.
   *
   * @param open all, in the order in which they were made
   * @param isScaled until then all requests of a key lie in one partition
   * @returns whether a request, as it was read or as it is known already, is to be called here
   */
  of(open: readonly EffectRow[], isScaled: boolean): (row: EffectRow) => boolean {
    const elsewhere = new Set<string>()
    this.#elsewhere = elsewhere
    const ours = open.filter((row) => {
      if (!this.#options.holds(row.partition)) {
        if (isScaled) elsewhere.add(laneOf(row))
        return false
      }
      return !this.#waits(row)
    })
    if (!this.#isArmed) this.#recheckMs = FIRST_RECHECK_MS
    const called = new Set(ours)
    return (row) => called.has(row) || this.ofFresh([row]).length > 0
  }

  /** Of those that were just made. */
  ofFresh(made: readonly EffectRow[]): readonly EffectRow[] {
    return made.filter((row) => this.#options.holds(row.partition) && !this.#waits(row))
  }

  #waits(row: EffectRow): boolean {
    if (this.#elsewhere.size === 0 || !this.#elsewhere.has(laneOf(row))) return false
    const { clock, readAgain } = this.#options
    if (!this.#isArmed) {
      this.#isArmed = true
      clock.after(this.#recheckMs, () => {
        this.#isArmed = false
        readAgain()
      })
      this.#recheckMs = Math.min(LONGEST_RECHECK_MS, 2 * this.#recheckMs)
    }
    return true
  }
}

function laneOf({ service, key }: EffectRow): string {
  return `${service} ${key}`
}
