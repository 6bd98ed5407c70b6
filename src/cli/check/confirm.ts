// A suspicion counts only when it stands while nothing moves: traffic goes on while a check reads.
import type { Findings } from './problem.ts'

/** How often a thing that moves is looked at again; a busy one rests between two of its messages. */
const LOOKS = 12
const FIRST_PAUSE_MS = 5
const LONGEST_PAUSE_MS = 250
/** Suspicions that are looked at together: what a check keeps in memory. */
const SUSPECTS_TOGETHER = 1000

/** What is wrong with a thing, of what kind; nothing where it is sound, `moving` where it can't be said yet. */
export type Verdict = readonly Wrong[] | 'moving'

export interface Wrong {
  readonly check: string
  readonly message: string
  readonly severity?: 'person'
}

/** Looks at things by key, with everything about each read as of one moment. */
export type Look = (keys: readonly string[]) => Promise<ReadonlyMap<string, Verdict>>

/** Gathers keys that look wrong, and has them looked at again together. */
export class Suspicions {
  readonly #look: Look
  readonly #findings: Findings
  readonly #nameOf: (key: string) => string
  #keys = new Set<string>()

  /** @param nameOf what the thing with this key is called in a finding */
  constructor(look: Look, findings: Findings, nameOf: (key: string) => string = (key) => key) {
    this.#look = look
    this.#findings = findings
    this.#nameOf = nameOf
  }

  async add(keys: Iterable<string>): Promise<void> {
    for (const key of keys) this.#keys.add(key)
    if (this.#keys.size >= SUSPECTS_TOGETHER) await this.settle()
  }

  /** Looks at what was gathered until each is cleared, found wrong, or has moved all the time. */
  async settle(): Promise<void> {
    let keys: readonly string[] = [...this.#keys]
    this.#keys = new Set()
    for (let look = 1; look <= LOOKS && keys.length > 0; look += 1) {
      if (look > 1) await pause(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** look))
      keys = this.#moving(await this.#look(keys))
    }
    this.#findings.unsettled += keys.length
  }

  /** Notes what is wrong. @returns the keys of which nothing can be said yet. */
  #moving(verdicts: ReadonlyMap<string, Verdict>): string[] {
    const moving: string[] = []
    for (const [key, verdict] of verdicts) {
      if (verdict === 'moving') moving.push(key)
      else this.#note(key, verdict)
    }
    return moving
  }

  #note(key: string, wrongs: readonly Wrong[]): void {
    for (const { check, message, severity = 'error' } of wrongs) {
      this.#findings.add({ check, key: this.#nameOf(key), message, severity })
    }
  }
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, delayMs))
}
