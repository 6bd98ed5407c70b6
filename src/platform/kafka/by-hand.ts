// A record that somebody put into a retry topic: what waits or is dead is sent again, anything else is a new message.
import { keyOf } from '../../kernel/message.ts'
import { auditWrites } from '../audit/audit.ts'
import { partitionFor } from '../log/murmur2.ts'
import { bodyTextOf, positionOf } from '../log/record.ts'
import type { DeadLetter } from '../parking/dead-letter.ts'
import { deadLetterIn, deadLetterOf } from '../parking/dead-letter.ts'
import { planOf, sendAgain } from '../parking/dead-letter-office.ts'
import { openDocket, placeOf } from '../parking/docket.ts'
import { nameOf, parkedKeyOf } from '../parking/parked-key.ts'
import { parkedMessageOf, storedRowOf, type ParkedMessage, type StoredRow } from '../parking/parked-message.ts'
import { isStrangerCode, STRANGER_SOURCE, type StrangeRecord, type StrangerCode } from '../parking/stranger-letter.ts'
import type { Clock, Row, Store, Transaction, Write } from '../ports.ts'
import { topicNamed } from '../../kernel/message.ts'
import type { Registry } from '../runtime/registry.ts'
import { MIRROR_HEADER, mirrorTopicName } from './mirror-topics.ts'
import { HEADERS, type FetchedRecord } from './record-headers.ts'

export interface ByHandDesk {
  readonly registry: Registry
  readonly store: Store
  /** The services of the database. */
  readonly services: readonly string[]
  readonly clock: Clock
  readonly newId: () => string
}

/** What became of a record: in which groups it was sent again, or what is wrong with it. */
export type ByHand =
  | { readonly fate: 'copy' | 'known' | 'nobody' }
  | { readonly fate: 'redriven' | 'entered'; readonly groups: readonly string[]; readonly hindered: readonly string[] }
  | { readonly fate: 'unreadable'; readonly code: StrangerCode; readonly why: string }

interface Place {
  readonly topic: string
  readonly source: string
  readonly partition: number
  readonly sequence: number
}

const ROLE = 'operator'
const PRINCIPAL = 'kafka'
/** Where the event's id is read: our copies carry it, and CloudEvents made by others do by its own header. */
const EVENT_ID = 'x-event-id'

/**
 * Handles one record of `<topic>.retry`, in one transaction that also notes that it was.
 *
 * @throws {Conflict} somebody changed one of its keys: take it again.
 */
export async function takeByHand(desk: ByHandDesk, topic: string, record: StrangeRecord): Promise<ByHand> {
  const headers = textsOf(record.headers)
  if (headers.has(MIRROR_HEADER)) return { fate: 'copy' }
  const at = `${STRANGER_SOURCE}/${mirrorTopicName(topic, 'retry')}/${record.partition}/${record.offset}`
  const target = `${at} ${record.topicId}`
  if (await isDone(desk, target)) return { fate: 'known' }
  const place = placeIn(headers, topic)
  const known = place === undefined ? { letters: [], parked: [] } : await findAll(desk, place)
  const transaction = await desk.store.begin()
  const work: Work = { ...desk, transaction, now: desk.clock.now(), at }
  try {
    const isKnown = known.letters.length + known.parked.length > 0
    const done = isKnown ? await sendAllAgain(work, known) : await enter(work, { topic, record, headers })
    if ('code' in done) return done
    await commit(work, target, done)
    return done.groups.length + done.hindered.length === 0 ? { fate: 'nobody' } : done
  } finally {
    await transaction.release()
  }
}

interface Work extends ByHandDesk {
  readonly transaction: Transaction
  readonly now: number
  /** Where the record lies, for people. */
  readonly at: string
}

interface Done {
  readonly fate: 'redriven' | 'entered'
  readonly groups: readonly string[]
  /** Groups in which an older dead letter of the key has to go first. */
  readonly hindered: readonly string[]
  readonly writes: readonly Write[]
}

function textsOf(headers: FetchedRecord['headers']): ReadonlyMap<string, string> {
  return new Map(headers.map(([name, text]) => [name?.toString() ?? '', text?.toString() ?? '']))
}

/** `source/topic/partition/sequence`, or the same in the words of CloudEvents. */
function placeIn(headers: ReadonlyMap<string, string>, wanted: string): Place | undefined {
  const [, ...rest] = (headers.get(HEADERS.id) ?? '').split('/')
  const event = headers.get(EVENT_ID) ?? `${headers.get(HEADERS.source) ?? ''}/${rest.join('/')}`
  const [, source = '', topic = '', partition, sequence] = /^([^/]+)\/([^/]+)\/(\d{1,6})\/(\d{1,15})$/.exec(event) ?? []
  return topic === wanted ? { source, topic, partition: Number(partition), sequence: Number(sequence) } : undefined
}

async function isDone({ store }: ByHandDesk, target: string): Promise<boolean> {
  const table = store.tableName('lonja', 'audit')
  return (await store.query(`SELECT id FROM ${table} WHERE target = ?`, [target])).length > 0
}

interface Known {
  readonly letters: readonly { readonly service: string; readonly letter: DeadLetter }[]
  readonly parked: readonly { readonly service: string; readonly message: ParkedMessage }[]
}

/** What waits or is dead of this event, in every group of the database. */
async function findAll({ store, services }: ByHandDesk, place: Place): Promise<Known> {
  const { topic, source, partition, sequence } = place
  const where = 'topic = ? AND source = ? AND partition = ? AND sequence = ?'
  const values = [topic, source, partition, sequence]
  const rowsOf = (service: string, table: string, more = ''): Promise<readonly StoredRow[]> =>
    store.query<StoredRow>(`SELECT * FROM ${store.tableName(service, table)} WHERE ${where} ${more}`, values)
  const found = await Promise.all(
    services.map(async (service) => ({
      letters: (await rowsOf(service, 'dead_letters', `AND status = 'dead'`)).map((row) => ({
        service,
        letter: deadLetterIn(row),
      })),
      parked: (await rowsOf(service, 'parked')).map((row) => ({ service, message: parkedMessageOf(row) })),
    })),
  )
  const letters = found.flatMap((each) => each.letters).filter(({ letter }) => !isStrangerCode(letter.failure.code))
  // An edited letter may be dead beside the first one: the younger stands for both.
  const byKey = new Map(letters.map((each) => [nameOf(each.letter), each]))
  return { letters: [...byKey.values()], parked: found.flatMap((each) => each.parked) }
}

async function sendAllAgain(work: Work, { letters, parked }: Known): Promise<Done> {
  const { registry, now, at } = work
  const docket = await openDocket(work, letters)
  const free = docket.cases.filter(({ hindrance }) => hindrance === undefined)
  for (const one of free) sendAgain(docket, one, { now, reason: `sent by hand: ${at}` })
  const sent = new Set(free.map(({ letter }) => nameOf(letter)))
  const waiting = parked.filter(({ message }) => !sent.has(nameOf(message)))
  return {
    fate: 'redriven',
    groups: [...free.map(({ letter }) => letter.group), ...waiting.map(({ message }) => message.group)],
    hindered: docket.cases.filter(({ hindrance }) => hindrance !== undefined).map(({ letter }) => letter.group),
    writes: [...docket.changes.writes(registry), ...(await triedNow(work, waiting))],
  }
}

/** What waits is tried at once instead of at its next time; a key that a dead letter holds goes on waiting for it. */
async function triedNow({ registry, transaction, now }: Work, parked: Known['parked']): Promise<Write[]> {
  const writes: Write[] = []
  for (const [service, own] of Map.groupBy(parked, (one) => one.service)) {
    const table = registry.tables.get(service)?.parkedKeys
    if (table === undefined) continue
    const names = new Map(
      own.map(({ message: { group, keyName, key } }) => [nameOf({ group, keyName, key }), [group, keyName, key]]),
    )
    const ordered = [...names].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, name]): Row => name)
    const rows = (await transaction.load(table, ordered)).flatMap((cells): Row[] => {
      const { state, version } = parkedKeyOf(service, storedRowOf(table, cells))
      const raised = { version: version + 1, due: now }
      const row = cells.map((cell, at) => raised[table.columns[at]?.name as keyof typeof raised] ?? cell)
      return state === 'held' ? [] : [row]
    })
    if (rows.length > 0) writes.push({ table, mode: 'versioned', rows })
  }
  return writes
}

interface NewRecord {
  readonly topic: string
  readonly record: StrangeRecord
  readonly headers: ReadonlyMap<string, string>
}

/** It joins the queue of its key in every group that handles it: behind what waits there, before what comes. */
async function enter(
  work: Work,
  { topic, record, headers }: NewRecord,
): Promise<Done | (ByHand & { fate: 'unreadable' })> {
  const { registry, services, now, at } = work
  const type = headers.get(HEADERS.type) ?? ''
  const info = registry.messages.get(type)
  if (info === undefined || info.topic !== topic) {
    const what = type === '' ? `it has no ${HEADERS.type}` : `${topic} has no message ${type}`
    return { fate: 'unreadable', code: 'KAFKA_UNKNOWN_MESSAGE', why: what }
  }
  const data = jsonIn(record.value)
  const isSound = data !== undefined && info.schema.safeParse(data).success
  if (!isSound) return { fate: 'unreadable', code: 'KAFKA_NO_JSON', why: `its body is none of a ${type}` }
  const key = keyOf(info, data)
  const text = bodyTextOf({
    type,
    key,
    data,
    correlation: headers.get(HEADERS.correlation) ?? key,
    cause: at,
    traceparent: headers.get(HEADERS.traceparent),
  })
  const groups = registry.groups.filter(({ service, reactions }) => services.includes(service) && reactions.has(type))
  const messages = groups.map(({ name, service }) => ({
    service,
    message: {
      group: name,
      keyName: info.key,
      key,
      topic,
      source: STRANGER_SOURCE,
      partition: partitionFor(key, topicNamed(topic).partitions),
      generation: 1,
      incarnation: 1,
      sequence: Number(record.offset),
      appendedAt: now,
      type,
      record: text,
      attempts: 0,
      firstFailedAt: null,
      lastFailedAt: null,
      failure: undefined,
      parkedAt: now,
      position: 0,
      deadLetter: null,
    } satisfies ParkedMessage,
  }))
  const writes = await queued(work, messages)
  return { fate: 'entered', groups: groups.map(({ name }) => name), hindered: [], writes }
}

async function queued(
  work: Work,
  messages: readonly { readonly service: string; readonly message: ParkedMessage }[],
): Promise<readonly Write[]> {
  const { registry, now } = work
  // Nothing of these letters is kept: the docket is opened by the keys of letters.
  const letters = messages.map(({ service, message }) => {
    return { service, letter: deadLetterOf(message, { id: positionOf(message), now, before: undefined }) }
  })
  const { cases, changes } = await openDocket(work, letters)
  for (const [index, { service, message }] of messages.entries()) {
    const one = cases[index]
    if (one === undefined) continue
    const { group, keyName, key: name } = message
    const empty = { messages: 0, tail: 0, firstFailedAt: now, parkedAt: now, version: 0, attempts: 0 }
    const fresh = { ...placeOf(one), group, keyName, key: name, ...empty, state: 'retrying' as const, due: now }
    const parked = one.key ?? fresh
    const tail = parked.tail + 1
    changes.join(service, { ...message, position: tail })
    changes.save({ ...parked, messages: parked.messages + 1, tail })
  }
  return changes.writes(registry)
}

function jsonIn(value: Buffer | null): unknown {
  try {
    return value === null ? undefined : (JSON.parse(value.toString()) as unknown)
  } catch {
    return undefined
  }
}

/** The answer's row makes it a conflict where another process takes the same record; the audit is for ever. */
async function commit(work: Work, target: string, { fate, groups, hindered, writes }: Done): Promise<void> {
  const { registry, services, transaction, now, newId, at } = work
  const [service = ''] = services.toSorted()
  const table = registry.tables.get(service)?.idempotency
  const fence: Write[] = table === undefined ? [] : [{ table, mode: 'insert', rows: [[target, '', 200, '', now]] }]
  const deed = {
    id: newId(),
    at: now,
    principal: PRINCIPAL,
    role: ROLE,
    action: fate === 'redriven' ? 'dead-letter.redrive' : 'message.enter',
    target,
    reason: `sent by hand: ${at}`,
    details: { groups, hindered },
  } as const
  await transaction.commit(planOf(registry, [...writes, ...fence, ...auditWrites([deed])], now))
}
