// What waits for the next batch, and what becomes of it when the store can not be used.
import { CommitUnknown } from '../ports.ts'
import type { Input } from './inputs.ts'

/** What waits beyond this is refused: the caller should come back later. */
export const MAX_WAITING_INPUTS = 5000
/** What one batch takes: batches of 256 were half as fast at 800 open orders, larger than 1,000 only wait longer. */
const MAX_INPUTS = 1000

export class WaitingInputs {
  readonly #inputs: Input[] = []

  get isEmpty(): boolean {
    return this.#inputs.length === 0
  }

  get isFull(): boolean {
    return this.#inputs.length >= MAX_WAITING_INPUTS
  }

  add(input: Input): void {
    this.#inputs.push(input)
  }

  /** The share of one batch. */
  take(): Input[] {
    return this.#inputs.splice(0, MAX_INPUTS)
  }

  /** Nobody will take them any more. */
  refuse(error: Error): void {
    for (const input of this.#inputs.splice(0)) if (input.kind === 'command') input.reject(error)
  }

  /** Those who come during an outage never got into a batch: they are told as well. */
  giveBackAll(error: Error, now: number): void {
    this.giveBack(this.#inputs.splice(0), error, now)
  }

  /** Callers hear of an outage at once; a commit in doubt is run again by its keys, which tells what became of it. */
  giveBack(inputs: readonly Input[], error: Error, now: number): void {
    for (const input of inputs) {
      const isInDoubt = error instanceof CommitUnknown || (input.kind === 'command' && input.isInDoubt === true)
      if (input.kind !== 'command') this.#inputs.push(input)
      else if (!isInDoubt) input.reject(error)
      else if (now < input.doubtUntil) this.#inputs.push({ ...input, isFirstTry: false, isInDoubt: true })
      else input.reject(new CommitUnknown(error.message))
    }
  }
}
