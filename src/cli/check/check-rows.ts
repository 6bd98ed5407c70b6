// Answers that are kept for repeated requests, and requests to the outside that have no answer yet.
import type { EffectRules } from '../../kernel/effect.ts'
import type { Store } from '../../platform/ports.ts'
import type { CheckContext, Finding } from './problem.ts'
import { Findings, turn } from './problem.ts'

const PAGE_ROWS = 1000
/** Clocks of several processes differ a little. */
const AHEAD_MS = 60_000
/** Under this status a refusal is kept, with its code. */
const REFUSED = 0

interface StoredAnswer {
  readonly scope: string
  readonly body_hash: string
  readonly status: number
  readonly reply: string
  readonly created_at: number
}

/** Each kept answer can be given again. */
export async function checkAnswers(context: CheckContext): Promise<Finding> {
  const findings = new Findings()
  for (const { name } of context.registry.services) {
    const store = context.storeOf(name)
    for await (const page of answerPages(store, name)) {
      for (const answer of page) checkAnswer(context, findings, { service: name, answer })
      findings.checked += page.length
      context.progress(`${findings.checked} kept answers`)
    }
  }
  return findings.finding()
}

function checkAnswer(
  { now }: CheckContext,
  findings: Findings,
  { service, answer }: { readonly service: string; readonly answer: StoredAnswer },
): void {
  const message = wrongAnswer(answer, now())
  if (message !== undefined) findings.error('idempotency', `${service} ${answer.scope}`, message)
}

async function* answerPages(store: Store, service: string): AsyncGenerator<readonly StoredAnswer[]> {
  const sql = `SELECT scope, body_hash, status, reply, created_at FROM ${store.tableName(service, 'idempotency')}
    WHERE scope > ? ORDER BY scope LIMIT ${PAGE_ROWS}`
  let after = ''
  for (;;) {
    const rows = await store.query<StoredAnswer>(sql, [after])
    await turn()
    yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_ROWS) return
    after = last.scope
  }
}

function wrongAnswer({ status, reply, created_at }: StoredAnswer, now: number): string | undefined {
  if (created_at > now + AHEAD_MS)
    return `It was kept at ${new Date(created_at).toISOString()}, which is still to come.`
  if (status !== REFUSED && (status < 200 || status > 599)) return `Its status ${status} is none of HTTP.`
  try {
    const kept = JSON.parse(reply) as { readonly status?: number; readonly code?: string }
    const fits = status === REFUSED ? typeof kept.code === 'string' : kept.status === status
    return fits ? undefined : `What is kept is no answer with its status ${status}.`
  } catch {
    return 'What is kept is no JSON.'
  }
}

interface StoredEffect {
  readonly id: string
  readonly effect: string
  readonly key: string
  readonly created_at: number
}

/** Past a provider's memory of its key a request may neither be called nor be left alone. */
export async function checkEffects(context: CheckContext): Promise<Finding> {
  const findings = new Findings()
  for (const { name } of context.registry.services) {
    const store = context.storeOf(name)
    let after = ''
    for (;;) {
      const rows = await store.query<StoredEffect>(
        `SELECT id, effect, key, created_at FROM ${store.tableName(name, 'effects')}
         WHERE id > ? ORDER BY id LIMIT ${PAGE_ROWS}`,
        [after],
      )
      for (const row of rows) checkEffect(context, findings, row)
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE_ROWS) break
      after = last.id
    }
  }
  return findings.finding()
}

function checkEffect(
  { registry, now }: CheckContext,
  findings: Findings,
  { id, effect, created_at }: StoredEffect,
): void {
  findings.checked += 1
  const rules = registry.effects.get(effect)?.effect.rules as EffectRules<unknown, unknown, unknown> | undefined
  if (rules === undefined) {
    findings.error('effect', id, `No service answers the effect ${effect}, so the request stays open for ever.`)
  } else if (now() - created_at > rules.keyLifetimeMs) {
    const since = new Date(created_at).toISOString()
    findings.error('effect', id, `It has been open since ${since}, longer than the provider knows its key.`)
  }
}
