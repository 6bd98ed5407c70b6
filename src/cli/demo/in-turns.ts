// Plays steps in their order, so many at once; a client's next one goes out when his earlier one has ended.

/** Steps that wait behind their client; the file is not read further ahead than this. */
const MAX_WAITING = 2000

interface Step {
  readonly clientId: string
}

/**
 * Resolves when every step has been played.
 *
 * @throws the first error of a step; those under way go on, no new one is begun.
 */
export function inTurns<Each extends Step>(
  steps: readonly Each[],
  atOnce: number,
  play: (step: Each) => Promise<void>,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  /** What waits behind each client that is busy. */
  const lanes = new Map<string, Each[]>()
  let [next, running, waiting, hasFailed] = [0, 0, 0, false]

  const fail = (error: unknown): void => {
    hasFailed = true
    reject(error instanceof Error ? error : new Error(String(error)))
  }
  const begin = (step: Each): void => {
    running += 1
    play(step).then(() => end(step), fail)
  }
  const end = ({ clientId }: Each): void => {
    running -= 1
    const following = lanes.get(clientId)?.shift()
    if (following === undefined) lanes.delete(clientId)
    else {
      waiting -= 1
      begin(following)
    }
    fill()
  }
  const mayGoOn = (): boolean => !hasFailed && running < atOnce && waiting < MAX_WAITING
  const fill = (): void => {
    for (; mayGoOn(); next += 1) {
      const step = steps[next]
      if (step === undefined) break
      const lane = lanes.get(step.clientId)
      if (lane === undefined) {
        lanes.set(step.clientId, [])
        begin(step)
      } else {
        lane.push(step)
        waiting += 1
      }
    }
    if (running === 0 && next >= steps.length) resolve()
  }
  fill()
  return promise
}

/** Does the same work for many, so many at once. */
export async function allOf<Each>(
  all: readonly Each[],
  atOnce: number,
  work: (each: Each) => Promise<void>,
): Promise<void> {
  const entries = all.values()
  const worker = async (): Promise<void> => {
    for (const each of entries) await work(each)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, all.length) }, worker))
}
