// Messages that make their handler throw for a while: of one group, for some of the keys.
import type { Fault } from './faults.ts'
import { hashOf } from './random.ts'
import type { RareCounts } from './rare.ts'
import { GROUP_TYPES } from './wiring.ts'
import type { World } from './world.ts'

/** One key in so many is poisoned. */
const KEYS = 4
/** Timers that wait for a poisoned record look again ten times a second. */
const LONGEST_MS = 45_000

interface Dose {
  readonly group: string
  readonly remainder: number
  readonly until: number
  /** The keys that met it. */
  readonly met: Set<string>
}

const GROUPS: readonly string[] = [...GROUP_TYPES.keys()]

export class Poison {
  readonly #world: World
  readonly #rare: RareCounts
  #doses: Dose[] = []

  constructor(world: World, rare: RareCounts) {
    this.#world = world
    this.#rare = rare
  }

  add({ salt, forMs }: Fault): void {
    const group = GROUPS[salt % GROUPS.length]
    if (group === undefined) return
    const remainder = Math.floor(salt / GROUPS.length) % KEYS
    const until = this.#world.now + Math.min(forMs, LONGEST_MS)
    this.#doses.push({ group, remainder, until, met: new Set() })
  }

  isPoisoned = (group: string, key: string): boolean => {
    if (this.#doses.length === 0) return false
    for (const dose of this.#doses) {
      if (dose.group !== group || hashOf(key) % KEYS !== dose.remainder) continue
      if (this.#world.now < dose.until) {
        dose.met.add(key)
        this.#rare.hit('record poisoned')
        return true
      }
      if (dose.met.delete(key)) this.#rare.hit('record went on after its poison')
    }
    return false
  }

  end(): void {
    this.#doses = this.#doses.map((dose) => ({ ...dose, until: 0 }))
  }
}
