// What simulated outside systems share: they work once per idempotency key, and slowly where a rule says so.

/** The part of a clock that they need; a virtual one makes a slow provider instant. */
export interface SimulatedClock {
  /** Calls once after the delay; the returned function cancels it. */
  after(delayMs: number, call: () => void): () => void
}

export interface SimulatedWork<Result> {
  readonly delayMs: number
  /** The work is done, but its first answer never arrives. */
  readonly losesAnswer: boolean
  readonly settle: () => Result
}

export interface SimulatedProvider<Result> {
  /**
   * Does the work unless it was done under this key before. Aborting ends the waiting, never the work.
   *
   * @throws when aborted, and once where the work loses its answer.
   */
  call(key: string, work: () => SimulatedWork<Result>, signal: AbortSignal): Promise<Result>
  /** What came of the key; undefined when it never arrived. @throws while the work goes on. */
  find(key: string): Result | undefined
  /** Drops the work that is under way. */
  stop(): void
}

interface Entry<Result> {
  result: Result | undefined
  losesAnswer: boolean
  cancel: () => void
  readonly waiting: Set<() => void>
}

/** About 10 MB; beyond a tenth more the oldest finished ones are forgotten, as real providers forget after a day. */
const DEFAULT_KEYS_REMEMBERED = 50_000

/** A provider that remembers what it did under which key, in memory. */
export function simulatedProvider<Result>(
  clock: SimulatedClock,
  keysRemembered = DEFAULT_KEYS_REMEMBERED,
): SimulatedProvider<Result> {
  const entries = new Map<string, Entry<Result>>()
  const start = (key: string, work: SimulatedWork<Result>): Entry<Result> => {
    const entry = work.delayMs > 0 ? slowly(clock, work) : atOnce(work)
    entries.set(key, entry)
    forgetOldest(entries, keysRemembered, isFinished)
    return entry
  }
  return {
    call: async (key, work, signal) => {
      const entry = entries.get(key) ?? start(key, work())
      if (entry.result === undefined) await finished(entry.waiting, signal)
      if (entry.result === undefined) throw new Error('The simulated provider was stopped.')
      if (!entry.losesAnswer) return entry.result
      entry.losesAnswer = false
      throw new Error('The connection broke before the answer came.')
    },
    find: (key) => {
      const entry = entries.get(key)
      if (entry !== undefined && entry.result === undefined) throw new Error('The request is still being worked on.')
      return entry?.result
    },
    stop: () => {
      for (const { cancel, waiting } of entries.values()) {
        cancel()
        for (const wake of waiting) wake()
      }
    },
  }
}

function slowly<Result>(clock: SimulatedClock, { delayMs, losesAnswer, settle }: SimulatedWork<Result>): Entry<Result> {
  const entry: Entry<Result> = { result: undefined, losesAnswer, cancel: () => {}, waiting: new Set() }
  entry.cancel = clock.after(delayMs, () => {
    entry.result = settle()
    for (const wake of entry.waiting) wake()
  })
  return entry
}

const nothing = (): void => {}
/** Of what is finished: a set of its own for each of 50,000 keys would be half of their memory. */
const NOBODY: Set<() => void> = new Set()

function atOnce<Result>({ losesAnswer, settle }: SimulatedWork<Result>): Entry<Result> {
  return { result: settle(), losesAnswer, cancel: nothing, waiting: NOBODY }
}

function isFinished({ result }: Entry<unknown>): boolean {
  return result !== undefined
}

function finished(waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      waiting.delete(wake)
      signal.removeEventListener('abort', abort)
    }
    const wake = () => {
      leave()
      resolve()
    }
    const abort = () => {
      leave()
      reject(signal.reason instanceof Error ? signal.reason : new Error('The call was aborted.'))
    }
    if (signal.aborted) return abort()
    waiting.add(wake)
    signal.addEventListener('abort', abort)
  })
}

/**
 * Forgets the oldest above the limit, a tenth of it at once: a Map keeps the places of what is gone until it grows, and
 * finding its first entry behind thousands of them took 10 µs each time.
 */
export function forgetOldest<Entry>(
  entries: Map<string, Entry>,
  limit: number,
  mayGo: (entry: Entry) => boolean = () => true,
): void {
  if (entries.size <= limit * 1.1) return
  for (const [key, entry] of entries) {
    if (entries.size <= limit) return
    if (mayGo(entry)) entries.delete(key)
  }
}

/** The milliseconds behind a word such as `SLOW-` in a reference; 0 where it does not occur. */
export function slownessOf(reference: string, word: string): number {
  const at = reference.indexOf(word)
  return at === -1 ? 0 : Number(/^\d{1,9}/.exec(reference.slice(at + word.length))?.[0] ?? 0)
}

/**
 * Picks one in so many texts, always the same ones; 0 picks none. The salt tells two questions about a text apart.
 *
 * @example
 * isOneIn(50, 'decline', '536365') // the same in every run
 */
export function isOneIn(count: number, salt: string, text: string): boolean {
  return count > 0 && hashOf(`${salt} ${text}`) % count === 0
}

/** FNV-1a with the last step of murmur3, since consecutive invoice numbers differ in their last digit only. */
function hashOf(text: string): number {
  let hash = 0x81_1c_9d_c5
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01_00_01_93)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85_eb_ca_6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2_b2_ae_35)
  return (hash ^ (hash >>> 16)) >>> 0
}
