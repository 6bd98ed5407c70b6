// Waits for facts instead of time: the one place where a test may look again after a moment.

export interface WaitOptions {
  readonly withinMs: number
  /** What is waited for, for the message of a test that waits in vain. */
  readonly what?: string
}

const LOOK_AGAIN_MS = 5

/**
 * Looks until the condition gives something other than false or undefined, and returns that.
 *
 * @throws when the time is over, or at once what the condition throws.
 */
export async function waitFor<Found>(
  condition: () => Found | Promise<Found>,
  { withinMs, what = condition.toString() }: WaitOptions,
): Promise<Exclude<Found, false | undefined>> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const found = await condition()
    if (found !== false && found !== undefined) return found as Exclude<Found, false | undefined>
    if (performance.now() > deadline) throw new Error(`This did not come true within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS))
  }
}
