// The partitions that this process works on: those whose lease it holds, once memory knows all that it must of them.
import type { Membership } from '../ports.ts'
import type { Channels } from './channels.ts'

/** More partitions than any topic has: a count and a partition make one number. */
const PARTITIONS_LIMIT = 65_536

export class HeldPartitions {
  readonly #membership: Membership
  readonly #channels: Channels
  readonly #works: boolean
  readonly #known = new Set<number>()

  constructor(membership: Membership, channels: Channels, works: boolean) {
    this.#membership = membership
    this.#channels = channels
    this.#works = works
  }

  /**
   * Memory is about to be read afresh. A lease that comes later waits for the next time: else a batch that is being put
   * together takes records of a partition of which nobody has looked yet what its dead owner had in hand. One that only
   * a clock that jumped has ended counts: it is held again with the next beat, which tells nobody, as nothing changed.
   */
  refresh(): void {
    this.#known.clear()
    // Old counts too: keys that were parked before a scaling are tried again by those who hold their partitions.
    for (const partitions of this.#channels.counts) {
      for (let partition = 0; partition < partitions; partition += 1)
        if (this.#isLeased(partitions, partition)) this.#known.add(partitions * PARTITIONS_LIMIT + partition)
    }
  }

  #isLeased(partitions: number, partition: number): boolean {
    const membership = this.#membership
    return membership.leased?.(partitions, partition) ?? membership.holds(partitions, partition)
  }

  holds = (partitions: number, partition: number): boolean =>
    this.#works &&
    this.#known.has(partitions * PARTITIONS_LIMIT + partition) &&
    this.#membership.holds(partitions, partition)

  /** Effects and timers are shared out by the partitions of the commands topics, by as many as these have by now. */
  holdsWork = (partition: number): boolean => {
    const { workPartitions } = this.#channels
    return this.holds(workPartitions, partition % workPartitions)
  }
}
