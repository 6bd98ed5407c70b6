// Counts the processor time that passes while one and the same thing is in hand: what tells a hang from a pause.

/** What the watchdog sees at one of its looks. */
export interface Look {
  /** What is in hand; 0 for nothing. */
  readonly call: number
  /** Since the look before: by the clock, and what the process got of the processors. */
  readonly elapsedMs: number
  readonly processorMs: number
}

/**
 * A handler is pure: it waits for nothing, so one that does not come back burns a processor. A process that was stopped
 * (SIGSTOP, a debugger, a machine that slept or is overrun by others) burns none, and its time is not counted. A
 * garbage collection does count; the longest are far below the limit.
 */
export class HandlerTime {
  readonly #limitMs: number
  #call = 0
  #spentMs = 0

  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  /** @returns whether what is in hand has been there for longer than the limit. */
  look({ call, elapsedMs, processorMs }: Look): boolean {
    if (call === 0 || call !== this.#call) {
      this.#call = call
      this.#spentMs = 0
      return false
    }
    // Other threads of the process burn time too, so no look counts for more than has passed.
    this.#spentMs += Math.min(elapsedMs, processorMs)
    return this.#spentMs >= this.#limitMs
  }

  get spentMs(): number {
    return this.#spentMs
  }
}
