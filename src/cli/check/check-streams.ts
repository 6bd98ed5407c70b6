// Streams: the document of each aggregate is the fold of its events, number for number.
import { isDeepStrictEqual } from 'node:util'
import type { AnyAggregate, Snapshot } from '../../kernel/aggregate.ts'
import type { Message } from '../../kernel/message.ts'
import type { Verdict, Wrong } from './confirm.ts'
import { Suspicions } from './confirm.ts'
import type { Document } from './documents.ts'
import { keysOf, pagesOf, readAtRest } from './documents.ts'
import type { CheckContext, Finding } from './problem.ts'
import { Findings } from './problem.ts'

const STREAMS_A_READ = 250
const PAGE_KEYS = 5000

interface StoredEvent {
  readonly key: string
  readonly event: number
  readonly type: string
  readonly data: string
}

interface Checked {
  readonly context: CheckContext
  readonly service: string
  readonly aggregate: AnyAggregate
}

type Streams = ReadonlyMap<string, readonly StoredEvent[]>

export async function checkStreams(context: CheckContext): Promise<Finding> {
  const findings = new Findings()
  for (const { name: service, aggregates } of context.registry.services) {
    for (const aggregate of aggregates) {
      const checked = { context, service, aggregate }
      await checkDocuments(checked, findings)
      await checkOrphans(checked, findings)
    }
  }
  return findings.finding()
}

async function checkDocuments(checked: Checked, findings: Findings): Promise<void> {
  const { context, aggregate } = checked
  const look = (keys: readonly string[]) => lookAt(checked, keys)
  const suspicions = new Suspicions(look, findings, (key) => `${aggregate.name} ${key}`)
  for await (const page of pagesOf(context, aggregate.kind)) {
    const streams = await readStreams(
      checked,
      page.map(({ key }) => key),
    )
    await suspicions.add(page.filter((one) => wrongWith(checked, one, streams.get(one.key))).map(({ key }) => key))
    findings.checked += page.length
    context.progress(`${findings.checked} streams`)
  }
  await suspicions.settle()
}

/** Each document with the stream that it had when it was read. */
async function lookAt(checked: Checked, keys: readonly string[]): Promise<ReadonlyMap<string, Verdict>> {
  const { context, aggregate } = checked
  const { documents, between, isAtRest } = await readAtRest(
    context,
    { own: aggregate.kind },
    { keys, between: () => readStreams(checked, keys) },
  )
  return new Map(
    keys.map((key): [string, Verdict] => {
      const document = documents.own.get(key)
      if (!isAtRest(key) || document === undefined) return [key, 'moving']
      const wrong = wrongWith(checked, document, between.get(key))
      return [key, wrong === undefined ? [] : [wrong]]
    }),
  )
}

async function readStreams({ context, service, aggregate }: Checked, keys: readonly string[]): Promise<Streams> {
  const store = context.storeOf(service)
  const streams = new Map<string, StoredEvent[]>()
  for (let from = 0; from < keys.length; from += STREAMS_A_READ) {
    const some = keys.slice(from, from + STREAMS_A_READ)
    const events = await store.query<StoredEvent>(
      `SELECT key, event, type, data FROM ${store.tableName(service, 'streams')}
       WHERE kind = ? AND key IN (${some.map(() => '?').join(', ')}) ORDER BY key, event`,
      [aggregate.name, ...some],
    )
    for (const one of events) {
      const stream = streams.get(one.key)
      if (stream === undefined) streams.set(one.key, [one])
      else stream.push(one)
    }
  }
  return streams
}

function wrongWith(
  { aggregate: { kind, evolve } }: Checked,
  { state: snapshot }: Document<unknown>,
  stream: readonly StoredEvent[] = [],
): Wrong | undefined {
  const { events, state } = snapshot as Snapshot<unknown>
  const gap = stream.findIndex(({ event }, index) => event !== index + 1)
  if (gap !== -1) return { check: 'stream-events', message: `Event ${gap + 1} is missing in its stream.` }
  if (events !== stream.length) {
    return { check: 'stream-events', message: `It counts ${events} events, its stream has ${stream.length}.` }
  }
  const fold = evolve as (state: unknown, event: Message) => unknown
  const folded = stream.reduce<unknown>(
    (before, { type, data }) => fold(before, { type, data: JSON.parse(data) as unknown }),
    kind.initial().state,
  )
  // As stored: a field that holds nothing is left out there.
  const isEqual = isDeepStrictEqual(JSON.parse(JSON.stringify(folded)) as unknown, state)
  return isEqual ? undefined : { check: 'stream-fold', message: 'Its document is not the fold of its events.' }
}

/** Streams are written with their documents, so a stream that was there before its document was looked for has one. */
async function checkOrphans({ context, service, aggregate }: Checked, findings: Findings): Promise<void> {
  const store = context.storeOf(service)
  const sql = `SELECT DISTINCT key FROM ${store.tableName(service, 'streams')}
    WHERE kind = ? AND key > ? ORDER BY key LIMIT ${PAGE_KEYS}`
  let after = ''
  for (;;) {
    const rows = await store.query<Pick<StoredEvent, 'key'>>(sql, [aggregate.name, after])
    const last = rows.at(-1)
    const [first] = rows
    if (last === undefined || first === undefined) return
    const known = await keysOf(context, aggregate.kind, [first.key, last.key])
    for (const { key } of rows) {
      if (!known.has(key)) findings.error('stream-events', `${aggregate.name} ${key}`, 'Its stream has no document.')
    }
    after = last.key
  }
}
