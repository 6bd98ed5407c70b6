// A person who gives the topics more partitions in the middle of the traffic, and asks again where he was refused.
import { Refusal } from '../../src/kernel/refuse.ts'
import type { PlannedScaling } from './config.ts'
import type { SimulatedNode } from './node.ts'
import type { RareCounts } from './rare.ts'
import type { SeededRandom } from './random.ts'
import type { World } from './world.ts'
import { newLife } from './world.ts'

/** Between two tries, and how many of them: a group may stand still for long. */
const AGAIN_MS = 2000
const TRIES = 20

export interface ScalerOptions {
  readonly world: World
  readonly nodes: readonly SimulatedNode[]
  readonly random: SeededRandom
  readonly rare: RareCounts
  readonly scalings: readonly PlannedScaling[]
}

export class Scaler {
  readonly #options: ScalerOptions
  readonly #life = newLife('scaler')

  constructor(options: ScalerOptions) {
    this.#options = options
  }

  begin(): void {
    for (const { atMs, partitions } of this.#options.scalings) this.#later(atMs, partitions, TRIES)
  }

  /** After a commit: whether a group waits for a barrier. */
  look(): void {
    const { nodes, rare, scalings } = this.#options
    if (scalings.length === 0 || rare.count('group waited for a barrier') > 0) return
    const channels = nodes.flatMap(({ lonja }) => lonja?.runtimes ?? []).flatMap((runtime) => runtime.channels.all)
    const waits = channels.some(({ cursors }) =>
      cursors.some(({ stopped, stoppedFor }) => stopped !== undefined && stoppedFor === 'barrier'),
    )
    if (waits) rare.hit('group waited for a barrier')
  }

  #later(delayMs: number, partitions: number, tries: number): void {
    const run = () => void this.#scale(partitions, tries)
    this.#options.world.after(this.#life, `scales to ${partitions}`, { delayMs, run })
  }

  async #scale(partitions: number, tries: number): Promise<void> {
    const { nodes, random, rare, world } = this.#options
    const open = nodes.filter(({ isOpen }) => isOpen)
    const node = open[random.below(Math.max(1, open.length))]
    const asked = { partitions, topics: [], reason: 'the simulation says so', principal: 'operator', dryRun: false }
    try {
      const outcome = await node?.lonja?.scaling.scale({ ...asked, role: 'operator' })
      if (outcome !== undefined) {
        world.note(`scaled to ${partitions}: ${outcome.scaled.length} topics`)
        if (outcome.scaled.length > 0) rare.hit('topics scaled')
        return
      }
    } catch (error) {
      world.note(`the scaling to ${partitions} is refused: ${(error as Error).message}`)
      if (error instanceof Refusal) rare.hit('scaling refused')
    }
    if (tries > 0) this.#later(AGAIN_MS, partitions, tries - 1)
  }
}
