// Handles suspects alone: what is in hand is committed before its handler runs, so that the next owner finds it there.
import type { Clock, Store } from '../ports.ts'
import { ProcessDied } from '../../kernel/fault.ts'
import type { BatchRunner } from '../runtime/batch-runner.ts'
import type { Round } from '../runtime/round.ts'
import type { Suspects, Unit } from './suspects.ts'
import { UNITS_A_STEP } from './suspects.ts'
import { clearHands, writeHand } from './stored-hand.ts'
import type { Takeovers } from './takeovers.ts'

export interface OneByOneOptions {
  readonly store: Store
  readonly clock: Clock
  readonly takeovers: Takeovers
  readonly batches: BatchRunner
}

export class OneByOne {
  readonly #options: OneByOneOptions
  #isAtIt = false

  constructor(options: OneByOneOptions) {
    this.#options = options
  }

  get #suspects(): Suspects {
    return this.#options.takeovers.suspects
  }

  /**
   * Handles some of the units, each in a batch of its own.
   *
   * @returns how many had their turn.
   * @throws {StoreUnavailable} {CommitUnknown}
   */
  async handle(units: readonly Unit[]): Promise<number> {
    if (units.length === 0) return 0
    const { takeovers, store, clock } = this.#options
    this.#isAtIt = true
    let count = 0
    const noted = new Set<string>()
    try {
      for (const unit of units) {
        if (count >= UNITS_A_STEP) break
        if (!unit.isDue()) continue
        if (unit.isNoted) noted.add(unit.lot)
        await this.#handle(unit)
        this.#suspects.settle(unit, clock.now())
        count += 1
      }
    } finally {
      this.#isAtIt = false
    }
    if (noted.size > 0) await clearHands(store, noted, clock.now())
    if (this.#suspects.isCalm) await takeovers.calmed()
    return count
  }

  async #handle(unit: Unit): Promise<void> {
    const { store, clock, batches } = this.#options
    const { lot, kind, name, at, isNoted } = unit
    if (isNoted) await writeHand(store, { lot, kind, name, at, code: ProcessDied.name, writtenAt: clock.now() })
    await unit.run(batches)
  }

  /** Told of each commit: in a cascade the end of a chain may be what kills, so each of its links goes alone. */
  committed(round: Round): void {
    if (this.#isAtIt) this.#suspects.follow(round.outbox.fresh.values())
  }
}
