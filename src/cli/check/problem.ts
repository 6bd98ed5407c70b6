// What a check finds: which check, about what, and a sentence for whoever has to mend it.
import type { Lonja } from '../../platform/runtime/lonja.ts'
import type { Registry } from '../../platform/runtime/registry.ts'
import type { Store } from '../../platform/ports.ts'

export interface Problem {
  readonly check: string
  readonly key: string
  readonly message: string
  /** `person`: nothing is wrong with the data, but somebody has to decide. */
  readonly severity: 'error' | 'person'
}

export interface CheckReport {
  readonly ok: boolean
  readonly problems: readonly Problem[]
  /** How many things each check looked at. */
  readonly checked: Readonly<Record<string, number>>
}

/** What every check works on. */
export interface CheckContext {
  readonly registry: Registry
  readonly storeOf: (service: string) => Store
  readonly now: () => number
  /** Folds the log into tables of its own and compares; the slow part. */
  readonly quick: boolean
  readonly progress: (line: string) => void
}

/** What one check looked at and found. */
export interface Finding {
  readonly checked: number
  readonly problems: readonly Problem[]
}

export function contextOf(lonja: Lonja, options: Pick<CheckContext, 'quick' | 'progress'>): CheckContext {
  const [runtime] = lonja.runtimes
  if (runtime === undefined) throw new Error('There is no database to check.')
  return { registry: lonja.registry, storeOf: runtime.options.storeOf, now: () => lonja.now(), ...options }
}

/** Traffic goes on while a check reads, so a suspicion counts only when it stays the same this often. */
export const LOOKS = 4

/**
 * Looks again at what is suspicious until it is cleared or has stayed exactly the same.
 *
 * @param look finds what is wrong with the given keys now, by key.
 */
export async function confirmed(
  first: ReadonlyMap<string, Problem>,
  look: (keys: readonly string[]) => Promise<ReadonlyMap<string, Problem>>,
): Promise<Problem[]> {
  let suspects = first
  for (let again = 1; again < LOOKS && suspects.size > 0; again += 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_AGAIN_MS)
    })
    const now = await look([...suspects.keys()])
    suspects = new Map([...now].filter(([key, { message }]) => suspects.get(key)?.message === message))
  }
  return [...suspects.values()]
}

const LOOK_AGAIN_MS = 300
