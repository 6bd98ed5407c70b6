// A person at the console: sends dead letters again in the middle of the traffic, some twice, and gives some up.
import type { Lonja } from '../../src/platform/runtime/lonja.ts'
import type { SimulatedNode } from './node.ts'
import type { Oracle } from './oracle.ts'
import type { Dead } from './parked-ledger.ts'
import type { RareCounts } from './rare.ts'
import type { SeededRandom } from './random.ts'
import type { World } from './world.ts'
import { newLife } from './world.ts'

/** He looks soon at first, and ever more seldom at what dies again and again. */
const SOONEST_MS = 500
const LATEST_MS = 3_600_000
/** A request for a step can be given up: its undo finds nothing to undo then, and remembers that. */
const GIVEN_UP: ReadonlySet<string> = new Set(['CapturePayment', 'BookShipment', 'ReserveStock'])
export const GIVE_UP_RATE = 0.4
const TWICE_RATE = 0.3

export interface OperatorOptions {
  readonly world: World
  readonly oracle: Oracle
  readonly nodes: readonly SimulatedNode[]
  readonly random: SeededRandom
  readonly rare: RareCounts
  /** How often he gives up what can be given up. */
  readonly giveUpRate: number
}

export class Operator {
  readonly #options: OperatorOptions
  readonly #life = newLife('operator')
  /** How often each dead letter was looked at. */
  readonly #looks = new Map<string, number>()
  readonly #expected = new Set<string>()

  constructor(options: OperatorOptions) {
    this.#options = options
  }

  /** After a commit: whatever died is decided about later. */
  look(): void {
    const { dead } = this.#options.oracle.parked
    if (dead.size === 0) return
    for (const [name, letter] of dead) if (!this.#expected.has(name)) this.#later(name, letter)
  }

  #later(name: string, letter: Dead): void {
    const { world, random } = this.#options
    const looks = (this.#looks.get(name) ?? 0) + 1
    this.#looks.set(name, looks)
    this.#expected.add(name)
    const delayMs = Math.min(LATEST_MS, random.below(SOONEST_MS * 4 ** looks))
    const run = () => {
      this.#expected.delete(name)
      this.#decide(letter)
      // Whatever becomes of it, it is looked at again as long as it is dead.
      world.after(this.#life, 'looks again', { delayMs: SOONEST_MS, run: () => this.look() })
    }
    world.after(this.#life, `looks at ${letter.type}`, { delayMs, run })
  }

  #decide(letter: Dead): void {
    const { nodes, random, rare, giveUpRate } = this.#options
    const open = nodes.filter(({ isOpen }) => isOpen)
    const node = open[random.below(Math.max(1, open.length))]
    if (node?.lonja === undefined) return
    const gives = GIVEN_UP.has(letter.type) && random.chance(giveUpRate)
    const times = !gives && random.chance(TWICE_RATE) ? 2 : 1
    if (times === 2) rare.hit('redrive asked for twice')
    for (let time = 0; time < times; time += 1) void this.#tell(node.lonja, letter, gives)
  }

  async #tell(lonja: Lonja, { service, id }: Dead, gives: boolean): Promise<void> {
    const { rare, world } = this.#options
    const decision = { id, reason: 'the simulation says so' }
    try {
      const decided = gives ? await lonja.discard(service, decision) : await lonja.redrive(service, decision)
      if (decided !== undefined) rare.hit(gives ? 'discarded' : 'redriven')
    } catch (error) {
      world.note(`operator could not decide about ${id}: ${(error as Error).message}`)
    }
  }
}
