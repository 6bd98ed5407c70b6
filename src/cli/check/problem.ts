// What a check finds, a sentence for whoever has to mend it; and what every check works on.
import type { Lonja } from '../../platform/runtime/lonja.ts'
import type { Registry } from '../../platform/runtime/registry.ts'
import type { Store } from '../../platform/ports.ts'
import type { LedgerEntry } from '../../services/payments/adapters/ledger.ts'

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

export interface CheckOptions {
  /** Leaves out the replay of the projections, the slow part. */
  readonly quick: boolean
  /** Told how far it is, a line at a time. */
  readonly progress?: (line: string) => void
  /** What the payment provider says it took and gave back; its orders are compared too. */
  readonly ledger?: () => readonly LedgerEntry[]
}

/** What every check works on. */
export interface CheckContext {
  readonly registry: Registry
  readonly storeOf: (service: string) => Store
  readonly now: () => number
  readonly progress: (line: string) => void
  /** A database of the check's own: nothing is written to the one that is checked. */
  readonly scratch: Store
  readonly ledger: (() => readonly LedgerEntry[]) | undefined
}

/** What one check looked at and found. */
export interface Finding {
  readonly checked: number
  /** Things that moved each time they were looked at, so that nothing can be said of them. */
  readonly unsettled: number
  readonly problems: readonly Problem[]
}

/** Problems of one check that are named; the rest is counted, since one cause may be behind thousands. */
const NAMED_PROBLEMS = 200

/** Collects what one check finds, within bounds. */
export class Findings {
  checked = 0
  unsettled = 0
  readonly #problems: Problem[] = []
  readonly #more = new Map<string, number>()

  error(check: string, key: string, message: string): void {
    this.add({ check, key, message, severity: 'error' })
  }

  add(problem: Problem): void {
    if (this.#problems.length < NAMED_PROBLEMS) this.#problems.push(problem)
    else this.#more.set(problem.check, (this.#more.get(problem.check) ?? 0) + 1)
  }

  finding(): Finding {
    const more = [...this.#more].map(([check, count]): Problem => {
      return { check, key: '…', message: `${count} more problems of this kind are not listed.`, severity: 'error' }
    })
    return { checked: this.checked, unsettled: this.unsettled, problems: [...this.#problems, ...more] }
  }
}

export function contextOf(lonja: Lonja, scratch: Store, options: CheckOptions): CheckContext {
  const { progress = () => undefined, ledger } = options
  const storeOf = (service: string): Store => lonja.storeOf(service)
  return { registry: lonja.registry, storeOf, now: () => lonja.now(), progress, scratch, ledger }
}

/** Lets what else this process does have its turn: on SQLite, which answers at once, nothing else would. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
