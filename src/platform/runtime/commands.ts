// Commands of a batch: answered once per idempotency key, from the stored answer when the key is known.
import type { CodeTable, RefusalDetails } from '../../kernel/refuse.ts'
import { Refusal } from '../../kernel/refuse.ts'
import type { Reply } from '../../kernel/route.ts'
import type { Row, Transaction, Write } from '../ports.ts'
import type { CommandInput, CommandOutcome } from './inputs.ts'
import type { Registry } from './registry.ts'
import { sorted } from './working-set.ts'

/** Under this status a refusal is stored: its HTTP answer is its code's. */
const REFUSED = 0

interface Stored {
  readonly bodyHash: string
  readonly outcome: CommandOutcome
}

export class Commands {
  readonly #registry: Registry
  readonly #now: number
  readonly #stored = new Map<string, Stored>()
  readonly #inserted = new Map<string, { readonly service: string; readonly row: Row }>()

  constructor(registry: Registry, now: number) {
    this.#registry = registry
    this.#now = now
  }

  /** Looks up the keys that may have been used before: one statement a service. */
  async load(transaction: Transaction, inputs: readonly CommandInput[]): Promise<void> {
    const scopes = new Map<string, Set<string>>()
    for (const { scope, isFirstTry, reaction } of inputs) {
      if (isFirstTry) continue
      scopes.set(reaction.service, (scopes.get(reaction.service) ?? new Set()).add(scope))
    }
    for (const [service, wanted] of scopes) {
      const table = this.#registry.tables.get(service)?.idempotency
      if (table === undefined) continue
      const rows = await transaction.load(
        table,
        [...wanted].toSorted().map((scope) => [scope]),
      )
      for (const [scope, bodyHash, status, reply] of rows) {
        const outcome = storedOutcome(Number(status), String(reply))
        this.#stored.set(`${service} ${scope}`, { bodyHash: String(bodyHash), outcome })
      }
    }
  }

  /** What was answered under this key before, or what to refuse its reuse with. */
  known({ scope, reaction, submission }: CommandInput): CommandOutcome | undefined {
    const stored = this.#stored.get(`${reaction.service} ${scope}`)
    if (stored === undefined || stored.bodyHash === submission.bodyHash) return stored?.outcome
    return { kind: 'refusal', error: new Refusal('IDEMPOTENCY_KEY_REUSED') }
  }

  /** Keeps the outcome under its key; faults are never kept, nor refusals that a lagging copy may have caused. */
  keep({ scope, reaction, submission }: CommandInput, outcome: CommandOutcome): void {
    if (outcome.kind === 'fault' || outcome.kind === 'later') return
    const [status, reply] =
      outcome.kind === 'reply' ? [outcome.reply.status, outcome.reply] : [REFUSED, refusalOf(outcome.error)]
    const row: Row = [scope, submission.bodyHash, status, JSON.stringify(reply), this.#now]
    this.#inserted.set(`${reaction.service} ${scope}`, { service: reaction.service, row })
    this.#stored.set(`${reaction.service} ${scope}`, { bodyHash: submission.bodyHash, outcome })
  }

  writes(): Write[] {
    const byService = new Map<string, Row[]>()
    for (const { service, row } of this.#inserted.values()) {
      const rows = byService.get(service)
      if (rows === undefined) byService.set(service, [row])
      else rows.push(row)
    }
    return [...byService].flatMap(([service, rows]) => {
      const table = this.#registry.tables.get(service)?.idempotency
      return table === undefined ? [] : [{ table, mode: 'insert' as const, rows: sorted(rows) }]
    })
  }
}

function storedOutcome(status: number, reply: string): CommandOutcome {
  if (status !== REFUSED) {
    const stored = JSON.parse(reply) as Reply
    return { kind: 'reply', reply: { ...stored, headers: { ...stored.headers, 'idempotency-replayed': 'true' } } }
  }
  const { code, details } = JSON.parse(reply) as { readonly code: string; readonly details: RefusalDetails }
  return { kind: 'refusal', error: new Refusal(code, details) }
}

function refusalOf(error: Error): { readonly code: string; readonly details: RefusalDetails } {
  const { code, details } = error as Refusal
  return { code, details }
}

/** Whether a refusal may come from a copy that lags behind. */
export function mayCatchUp(codes: CodeTable, error: unknown): boolean {
  return error instanceof Refusal && codes[error.code]?.mayCatchUp === true
}
