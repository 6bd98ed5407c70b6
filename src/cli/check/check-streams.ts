// Streams: the document of each aggregate is the fold of its events, number for number.
import { isDeepStrictEqual } from 'node:util'
import type { AnyAggregate, Snapshot } from '../../kernel/aggregate.ts'
import type { Message } from '../../kernel/message.ts'
import { documentsOf, pagesOf } from './documents.ts'
import type { CheckContext, Finding, Problem } from './problem.ts'
import { confirmed } from './problem.ts'

interface StoredEvent {
  readonly key: string
  readonly event: number
  readonly type: string
  readonly data: string
}

export async function checkStreams(context: CheckContext): Promise<Finding> {
  const all = context.registry.services.flatMap(({ name: service, aggregates }) =>
    aggregates.map((aggregate) => ({ service, aggregate })),
  )
  const problems: Problem[] = []
  let checked = 0
  for (const one of all) {
    const found = await checkAggregate(context, one)
    checked += found.checked
    problems.push(...found.problems)
  }
  return { checked, problems }
}

async function checkAggregate(context: CheckContext, one: Omit<Streams, 'keys'>): Promise<Finding> {
  const suspects = new Map<string, Problem>()
  const look = (keys: readonly string[]) => suspiciousStreams(context, { ...one, keys })
  let checked = 0
  for await (const page of pagesOf(context, one.aggregate.kind)) {
    for (const [key, problem] of await look(page.map(({ key: name }) => name))) suspects.set(key, problem)
    checked += page.length
    context.progress(`${checked} streams`)
  }
  return { checked, problems: await confirmed(suspects, look) }
}

interface Streams {
  readonly service: string
  readonly aggregate: AnyAggregate
  readonly keys: readonly string[]
}

/** Documents are read after their streams, which only grow: a stream that is ahead is looked at again. */
async function suspiciousStreams(context: CheckContext, { service, aggregate, keys }: Streams) {
  const sorted = keys.toSorted()
  const store = context.storeOf(service)
  const events = await store.query<StoredEvent>(
    `SELECT key, event, type, data FROM ${store.tableName(service, 'streams')}
     WHERE kind = ? AND key >= ? AND key <= ? ORDER BY key, event`,
    [aggregate.name, sorted[0] ?? '', sorted.at(-1) ?? ''],
  )
  const streams = Map.groupBy(events, ({ key }) => key)
  const documents = await documentsOf(context, aggregate.kind, sorted)
  const suspects = new Map<string, Problem>()
  for (const key of sorted) {
    const message = wrongWith(aggregate, documents.get(key), streams.get(key) ?? [])
    if (message !== undefined) suspects.set(key, { check: 'streams', key, message, severity: 'error' })
  }
  return suspects
}

function wrongWith(
  { kind, evolve }: AnyAggregate,
  snapshot: Snapshot<unknown> = kind.initial(),
  stream: readonly StoredEvent[],
): string | undefined {
  const gap = stream.findIndex(({ event }, index) => event !== index + 1)
  if (gap !== -1) return `Event ${gap + 1} is missing in its stream.`
  if (snapshot.events !== stream.length) return `It counts ${snapshot.events} events, its stream has ${stream.length}.`
  const fold = evolve as (state: unknown, event: Message) => unknown
  const state = stream.reduce<unknown>(
    (before, { type, data }) => fold(before, { type, data: JSON.parse(data) as unknown }),
    kind.initial().state,
  )
  // As stored: a field that holds nothing is left out there.
  const stored = JSON.parse(JSON.stringify(state)) as unknown
  return isDeepStrictEqual(stored, snapshot.state) ? undefined : 'Its document is not the fold of its events.'
}
