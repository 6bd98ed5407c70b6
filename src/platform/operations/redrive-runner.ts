// Works a job off in one database, step by step, until nothing of it is left, or another process does.
import { CommitUnknown, Conflict, StoreUnavailable } from '../ports.ts'
import type { StepOptions } from './redrive-step.ts'
import { MAX_BATCH, takeStep } from './redrive-step.ts'

/** After letters moved it is looked again so soon; where nothing does, ever more rarely. */
const SOON_MS = 10
const RARELY_MS = 1000
const BROKEN_MS = 10_000

export interface RunnerOptions extends StepOptions {
  /** Whether this process is the one that works on the jobs of this database. */
  readonly isOurs: () => boolean
  /** Letters went back into their queues. */
  readonly sent: () => void
  /** Something broke that is no matter of the database: told to the log, and tried again later. */
  readonly broke: (error: unknown) => void
}

export class RedriveRunner {
  readonly #options: RunnerOptions
  readonly #id: string
  #isStopped = false
  #wake: () => void = () => undefined
  #batch = MAX_BATCH

  constructor(options: RunnerOptions, id: string) {
    this.#options = options
    this.#id = id
  }

  /** Ends after the step in hand; the next process goes on from there. */
  stop(): void {
    this.#isStopped = true
    this.#wake()
  }

  async run(): Promise<void> {
    let pauseMs = SOON_MS
    while (!this.#isStopped && this.#options.isOurs()) {
      const wantedMs = await this.#step(pauseMs)
      if (wantedMs === undefined) return
      pauseMs = wantedMs
      await this.#pause(pauseMs)
    }
  }

  /** @returns the pause before the next step; undefined where nothing is left. */
  async #step(pausedMs: number): Promise<number | undefined> {
    const rarer = Math.min(RARELY_MS, 2 * Math.max(SOON_MS, pausedMs))
    try {
      const { isOver, hasMoved, hasSent, nextAt } = await takeStep(this.#options, this.#id, this.#batch)
      if (hasSent) this.#options.sent()
      if (isOver) return undefined
      this.#batch = Math.min(MAX_BATCH, 2 * this.#batch)
      const untilNext = nextAt - this.#options.clock.now()
      if (untilNext > 0) return Math.min(untilNext, hasMoved ? SOON_MS : rarer)
      return hasMoved ? SOON_MS : rarer
    } catch (error) {
      if (error instanceof StoreUnavailable) return rarer
      if (!(error instanceof Conflict) && !(error instanceof CommitUnknown)) {
        this.#options.broke(error)
        return BROKEN_MS
      }
      // Some key of the batch moved: fewer of them are less likely to be met by another's writes.
      this.#batch = Math.max(1, Math.floor(this.#batch / 2))
      // In doubt: what was sent shows when it is read again, but who retries has to look.
      if (error instanceof CommitUnknown) this.#options.sent()
      return error instanceof Conflict ? SOON_MS : rarer
    }
  }

  #pause(delayMs: number): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    return new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(delayMs, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
  }
}
