// Looks after something again and again while the process lives: one look at a time, the next a while after its end.
import type { Clock } from './ports.ts'

export interface RepeatedLookOptions {
  readonly clock: Clock
  readonly everyMs: number
  /** The same as between two looks where it is left out. */
  readonly firstAfterMs?: number
  readonly look: () => Promise<void>
  /** Told why a look failed; the next one comes all the same. */
  readonly failed: (error: unknown) => void
}

export class RepeatedLook {
  readonly #options: RepeatedLookOptions
  #isStopped = false
  #running: Promise<void> | undefined
  #cancel: (() => void) | undefined

  constructor(options: RepeatedLookOptions) {
    this.#options = options
  }

  /** A look under way ends at its next convenient moment. */
  get isStopped(): boolean {
    return this.#isStopped
  }

  start(): void {
    const { everyMs, firstAfterMs = everyMs } = this.#options
    this.#later(firstAfterMs)
  }

  /** Resolves when the look under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    await this.#running
  }

  #later(delayMs: number): void {
    if (this.#isStopped) return
    const { clock, everyMs, look, failed } = this.#options
    this.#cancel = clock.after(delayMs, () => {
      this.#running = look()
        .catch(failed)
        .then(() => this.#later(everyMs))
    })
  }
}
