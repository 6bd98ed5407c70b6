// Messages, and answers of effects, that make their handler throw for a while: for some of the keys, or for all.
import type { Fault } from './faults.ts'
import { SeededRandom, hashOf } from './random.ts'
import type { RareCounts } from './rare.ts'
import { GROUP_TYPES, registry } from './wiring.ts'
import type { World } from './world.ts'

/** One key in so many is poisoned. */
const KEYS = 4
const LONGEST_MS = 45_000
/** A bad deployment that is found only after hours: longer than a hold, and than a message is tried. */
const LASTING_MS: readonly [number, ...number[]] = [1_800_000, 7_200_000, 30_000_000]

/** permanent: it is dead at its first try. lasting: it stays after everything else has stopped going wrong. */
type Kind = 'passing' | 'permanent' | 'lasting'

interface Dose {
  /** A consumer group, or `answers of` an effect. */
  readonly group: string
  /** Undefined where all types of the group are poisoned. */
  readonly type: string | undefined
  readonly kind: Kind
  /** Undefined where all keys are poisoned. */
  readonly remainder: number | undefined
  readonly until: number
  /** The keys that met it. */
  readonly met: Set<string>
}

const GROUPS = [...GROUP_TYPES.keys()] as [string, ...string[]]
const EFFECTS = [...registry.effects.keys()] as [string, ...string[]]

export function answersOf(effect: string): string {
  return `answers of ${effect}`
}

export class Poison {
  readonly #world: World
  readonly #rare: RareCounts
  #doses: Dose[] = []

  constructor(world: World, rare: RareCounts) {
    this.#world = world
    this.#rare = rare
  }

  /** Requests for payment of half of all orders die until everything else has stopped going wrong. */
  killPayments(): void {
    const target = { group: 'payments', type: 'CapturePayment', kind: 'permanent' } as const
    for (const remainder of [0, 2]) this.#doses.push({ ...target, remainder, until: Infinity, met: new Set() })
  }

  add({ salt, forMs }: Fault): void {
    const random = new SeededRandom(salt, 'poison')
    const kind = random.weighted<Kind>({ passing: 5, permanent: 3, lasting: 2 })
    const lastsMs = kind === 'lasting' ? random.pick(LASTING_MS) : Math.min(forMs, LONGEST_MS)
    this.#doses.push({ ...targetOf(random, kind), kind, until: this.#world.now + lastsMs, met: new Set() })
  }

  /** @throws where the message is poisoned now. */
  taste = (group: string, type: string, key: string): void => {
    for (const dose of this.#doses) {
      const { remainder } = dose
      if (dose.group !== group || (dose.type !== undefined && dose.type !== type)) continue
      if (remainder !== undefined && hashOf(key) % KEYS !== remainder) continue
      if (this.#world.now < dose.until) {
        dose.met.add(key)
        this.#rare.hit(dose.type === ANSWER ? 'answer poisoned' : 'record poisoned')
        const Thrown = dose.kind === 'permanent' ? TypeError : Error
        throw new Thrown('The simulation poisoned this message.')
      }
      if (dose.met.delete(key)) this.#rare.hit('record went on after its poison')
    }
  }

  /** What is lasting goes on: it is a fault of the program, and not of its surroundings. */
  end(): void {
    this.#doses = this.#doses.map((dose) => (dose.kind === 'lasting' ? dose : { ...dose, until: 0 }))
  }
}

/** What stands for the type of an effect's answer. */
export const ANSWER = 'answer'

function targetOf(random: SeededRandom, kind: Kind): Pick<Dose, 'group' | 'type' | 'remainder'> {
  const some = random.below(KEYS)
  if (kind === 'lasting') return { ...random.pick(LASTING), remainder: some }
  // Answers are offered again by themselves: none of them dies.
  if (kind === 'passing' && random.chance(0.2)) {
    return { group: answersOf(random.pick(EFFECTS)), type: ANSWER, remainder: some }
  }
  const group = random.pick(GROUPS)
  const types = [...(GROUP_TYPES.get(group)?.keys() ?? [])] as [string, ...string[]]
  // A handler that fails for everybody is down: its breaker opens.
  const remainder = random.chance(0.3) ? undefined : some
  return { group, type: random.chance(0.5) ? random.pick(types) : undefined, remainder }
}

/** Where hours make a difference: a hold that ends before its goods are taken, an undo that waits behind its do. */
const LASTING: readonly [Target, ...Target[]] = [
  { group: 'inventory', type: 'CommitStock' },
  { group: 'payments', type: 'CapturePayment' },
  { group: 'orders', type: 'PaymentCaptured' },
  { group: 'notifications', type: 'OrderConfirmed' },
]

interface Target {
  readonly group: string
  readonly type: string
}
