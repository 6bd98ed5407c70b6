// Tells an outage of a handler from a bad message: faults at many keys without a success in between pause its group.
import type { Clock } from '../ports.ts'

/** So many different keys in a row, without a success of the same handler, are no longer the messages' fault. */
export const BREAKER_KEYS = 5
/** The pause before the first probe; it doubles with each that fails. */
const PROBE_BASE_MS = 1000
const PROBE_MAX_MS = 30_000

/** A handler: the messages of one type in one consumer group. */
export interface HandlerName {
  readonly group: string
  readonly type: string
}

interface Failing extends HandlerName {
  readonly keys: Set<string>
  /** Infinity while it is not open. */
  probeAt: number
  /** Probes that failed. */
  probes: number
}

export interface BreakersOptions {
  readonly clock: Clock
  readonly observer: {
    breakerOpened(handler: HandlerName): void
    breakerClosed(handler: HandlerName): void
  }
}

/** Kept in memory only: after a restart an outage is noticed as fast as at first. */
export class Breakers {
  readonly #options: BreakersOptions
  readonly #failing = new Map<string, Failing>()

  constructor(options: BreakersOptions) {
    this.#options = options
  }

  /** Whether no handler has failed since its last success: then there is nothing to look up. */
  get isEmpty(): boolean {
    return this.#failing.size === 0
  }

  /** The handlers that are paused. */
  get open(): readonly HandlerName[] {
    return [...this.#failing.values()].filter(({ probeAt }) => probeAt !== Infinity)
  }

  succeeded(handler: HandlerName): void {
    const failing = this.#find(handler)
    if (failing === undefined) return
    this.#failing.delete(nameOf(handler))
    if (failing.probeAt !== Infinity) this.#options.observer.breakerClosed(handler)
  }

  /** @returns whether by now too many different keys failed for it to be their fault. */
  failed(handler: HandlerName, keys: Iterable<string>): boolean {
    const name = nameOf(handler)
    let failing = this.#failing.get(name)
    if (failing === undefined) {
      failing = { ...handler, keys: new Set(), probeAt: Infinity, probes: 0 }
      this.#failing.set(name, failing)
    }
    for (const key of keys) if (failing.keys.size < BREAKER_KEYS) failing.keys.add(key)
    return failing.keys.size >= BREAKER_KEYS
  }

  /** Pauses the handler until its first probe. */
  trip(handler: HandlerName): void {
    const failing = this.#find(handler)
    if (failing === undefined || failing.probeAt !== Infinity) return
    failing.probeAt = this.#options.clock.now() + PROBE_BASE_MS
    this.#options.observer.breakerOpened(handler)
  }

  /** When the next probe may go through; undefined where the handler is not paused. */
  probeAt(handler: HandlerName): number | undefined {
    const failing = this.#find(handler)
    return failing === undefined || failing.probeAt === Infinity ? undefined : failing.probeAt
  }

  /** How many probes failed: who is asked next goes by it, so that one bad message can not keep it open. */
  probes(handler: HandlerName): number {
    return this.#find(handler)?.probes ?? 0
  }

  probeFailed(handler: HandlerName): void {
    const failing = this.#find(handler)
    if (failing === undefined) return
    const now = this.#options.clock.now()
    // Each partition sends its own probe, and those of one moment count as one.
    if (failing.probeAt > now) return
    failing.probes += 1
    failing.probeAt = now + Math.min(PROBE_MAX_MS, PROBE_BASE_MS * 2 ** failing.probes)
  }

  #find(handler: HandlerName): Failing | undefined {
    return this.#failing.size === 0 ? undefined : this.#failing.get(nameOf(handler))
  }
}

function nameOf({ group, type }: HandlerName): string {
  return `${group} ${type}`
}
