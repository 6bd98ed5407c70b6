// The audit over HTTP, for operators: what people did beside the ordinary course of business, of all databases.
import { z } from 'zod'
import { millisecondsOf, momentInput, momentOf } from '../../kernel/inputs.ts'
import { cutPage, pageQuery, pageShape } from '../../kernel/page.ts'
import type { Route } from '../../kernel/route.ts'
import { ROLES, get } from '../../kernel/route.ts'
import type { AuditEntry, AuditQuery } from '../audit/audit.ts'
import { readAudit } from '../audit/audit.ts'
import type { Store } from '../ports.ts'

export interface AuditDesk {
  readonly runtimes: readonly { readonly options: { readonly store: Store } }[]
}

const query = z.strictObject({
  ...pageQuery(['string']),
  principal: z.string().optional().describe('Whose deeds: the name of an API key.'),
  action: z.string().optional().describe('Such as saga.retry, group.pause or projection.rebuild.'),
  target: z.string().optional().describe('What it was done to, such as a consumer group.'),
  since: momentInput.optional(),
})

const EntryAnswer = z.object({
  id: z.string(),
  at: z.string(),
  principal: z.string(),
  role: z.enum(ROLES),
  action: z.string(),
  target: z.string(),
  reason: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
})

/** The entries of all databases in the order of their ids, which is that of their time. */
export async function readAllAudits({ runtimes }: AuditDesk, asked: AuditQuery): Promise<readonly AuditEntry[]> {
  const stores = new Set(runtimes.map(({ options }) => options.store))
  const each = await Promise.all([...stores].map((store) => readAudit(store, asked)))
  const all = each.flat().toSorted((one, other) => (one.id < other.id ? -1 : Number(one.id > other.id)))
  return all.slice(0, asked.limit)
}

/** The route of the audit. */
export function auditRoutes(desk: AuditDesk): readonly Route[] {
  return [
    get('/v1/ops/audit', {
      summary: 'List what people did: who, when, to what, and why; the oldest first, by who, what, to what or time.',
      role: 'operator',
      query,
      answers: { 200: pageShape(EntryAnswer) },
      handle: async ({ query: { after, limit, since, ...filter } }) => {
        const wanted = { ...filter, after: after?.[0] as string | undefined, since: millisecondsOf(since) }
        const entries = await readAllAudits(desk, { ...wanted, limit: limit + 1 })
        const { items, next } = cutPage(entries, limit, ({ id }) => [id])
        return { status: 200, body: { items: items.map((entry) => ({ ...entry, at: momentOf(entry.at) })), next } }
      },
    }),
  ]
}
