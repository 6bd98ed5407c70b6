// The line that a long run prints each minute: how far it is, how fast, and whether anything broke.
import type { Tally } from './series.ts'
import { addTally, newTally } from './series.ts'

export class Progress {
  readonly #of: number
  readonly #workers = new Map<number, Tally>()
  readonly #startedAt = performance.now()

  /** @param of how many histories there are to be; infinity where time decides */
  constructor(of: number) {
    this.#of = of
  }

  /** @param sofar what this worker has counted; of the others it is known what they said last */
  line(worker: number, sofar: Tally): string {
    this.#workers.set(worker, sofar)
    const all = newTally()
    for (const own of this.#workers.values()) addTally(all, own)
    const seconds = (performance.now() - this.#startedAt) / 1000
    const of = Number.isFinite(this.#of) ? ` of ${this.#of}` : ''
    const rateOf = (time: number) => (all.histories / time).toFixed(1)
    const rates = `${rateOf(seconds)} a second, ${rateOf(all.cpuSeconds)} a second of CPU`
    const heapMb = Math.round(sofar.heapBytes / 2 ** 20)
    const broken = `${all.failures.length} failures, heap ${heapMb} MB`
    return `${seconds.toFixed(0)} s: ${all.histories}${of} histories, ${rates}, ${broken}`
  }
}
