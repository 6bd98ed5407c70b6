// Waits for the signals that end a server; a second one changes nothing, since npm passes on what the shell sent too.

export interface Stopping {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal
  /** Resolves with the first signal. */
  readonly stopped: Promise<void>
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** From now on these signals end nothing by themselves. */
export function untilStopped(): Stopping {
  const controller = new AbortController()
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const name of SIGNALS) {
    process.on(name, () => {
      controller.abort()
      resolve()
    })
  }
  return { signal: controller.signal, stopped: promise }
}

/** What a stop leaves open is not waited for longer than this. */
const LAST_GASP_MS = 250

/** Ends the process although something was left open, such as a request that was cut off at the stop limit. */
export function leaveSoon(code: number): void {
  setTimeout(() => process.exit(code), LAST_GASP_MS).unref()
}
