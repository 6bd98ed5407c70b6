// Knows which logs may have grown elsewhere, and reads where they end.
import type { Clock, Log } from '../ports.ts'
import type { Channels } from './channels.ts'
import type { Registry } from './registry.ts'

/** A channel where another process appended first is read back from the store for this long. */
const CONTENDED_MS = 500
/** Announcements wake at once; a lost one is made up for after this long. Looking costs some 25 statements. */
const POLL_ALL_MS = 10_000

export interface HeadWatchOptions {
  readonly registry: Registry
  readonly channels: Channels
  readonly logOf: (service: string) => Log
  readonly clock: Clock
}

export class HeadWatch {
  readonly #options: HeadWatchOptions
  readonly #stale = new Set<string>()
  #nextPoll = 0

  constructor(options: HeadWatchOptions) {
    this.#options = options
    options.channels.doubt((source) => options.logOf(source).isElsewhere === true)
  }

  get isStale(): boolean {
    return this.#stale.size > 0
  }

  /** These logs grew. What else is announced, such as a projection's new table, is no log. */
  note(sources: readonly string[] | 'all'): void {
    for (const source of this.#all()) if (sources === 'all' || sources.includes(source)) this.#stale.add(source)
  }

  /** Whether it is time to look at everything though nothing hints at it. */
  isPollDue(): boolean {
    const now = this.#options.clock.now()
    if (now < this.#nextPoll) return false
    this.#nextPoll = now + POLL_ALL_MS
    return true
  }

  async readAll(): Promise<void> {
    this.note('all')
    await this.readStale()
  }

  async readStale(): Promise<void> {
    const { logOf, clock, channels } = this.#options
    const contendedUntil = clock.now() + CONTENDED_MS
    for (const source of this.#stale) {
      this.#stale.delete(source)
      channels.applyHeads(await logOf(source).heads(source), contendedUntil)
    }
  }

  #all(): string[] {
    return this.#options.registry.schemas.filter(({ topics }) => topics.length > 0).map(({ schema }) => schema)
  }
}
