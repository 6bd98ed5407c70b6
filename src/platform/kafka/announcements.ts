// Looks at what relays announced last: whether another installation writes under our names, and how their clocks stand.
import type { Clock } from '../ports.ts'
import type { KafkaAddress } from './address.ts'
import { BROKER_TOLERANCE_MS, DATABASE_TOLERANCE_MS, spanOf, type ClockSkew } from './clocks.ts'
import { Fetcher, type Reading } from './fetcher.ts'
import { HEADS_TOPIC, readHeadsRecord } from './heads-record.ts'
import type { FetchedRecord } from './record-headers.ts'
import type { TopicAdmin } from './topics.ts'

/** What one database said last. */
export interface Announced {
  /** The identity of each of its sources' logs. */
  readonly logs: ReadonlyMap<string, string>
  /** By its own clock. */
  readonly asOf: number
  /** By the broker's clock; undefined where the topic does not keep it. */
  readonly arrivedAt: number | undefined
}

/** Each database announces once a second: of sixteen of them the last four seconds. */
const LAST_RECORDS = 64
const WAIT_MS = 100
const GIVE_UP_MS = 5000
/** A relay announces each second, and a new one takes over within ten. */
const SILENT_MS = 30_000

/** The last announcement of each database; none where they can't be read, for example for lack of a right. */
export async function lastAnnounced(
  { address, clock }: { readonly address: KafkaAddress; readonly clock: Clock },
  admin: TopicAdmin,
): Promise<readonly Announced[]> {
  const [place] = await admin.ends(HEADS_TOPIC)
  if (place === undefined || place.end === place.first) return []
  const from = Math.max(place.first, place.end - LAST_RECORDS)
  const records = await readFrom({ address, clock }, { from, end: place.end })
  return [...new Map(records.map((record) => [record.key?.toString() ?? '', record])).values()].flatMap(announcedIn)
}

async function readFrom(
  { address, clock }: { readonly address: KafkaAddress; readonly clock: Clock },
  { from, end }: { readonly from: number; readonly end: number },
): Promise<readonly FetchedRecord[]> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const reading: Reading = { topic: HEADS_TOPIC, partition: 0, offset: BigInt(from), isFull: false }
  const records: FetchedRecord[] = []
  const fetcher = new Fetcher(
    {
      address,
      clock,
      isolation: 'uncommitted',
      waitMs: WAIT_MS,
      deliver: (_, delivered) => {
        records.push(...delivered)
        if (reading.offset >= BigInt(end)) resolve()
      },
      outOfRange: () => resolve(),
      failed: () => resolve(),
    },
    () => [reading],
  )
  const cancel = clock.after(GIVE_UP_MS, resolve)
  fetcher.start()
  await promise
  cancel()
  await fetcher.stop()
  return records
}

function announcedIn(record: FetchedRecord): Announced[] {
  const heads = readHeadsRecord(record)
  const [head] = heads
  if (head === undefined) return []
  const logs = new Map(heads.flatMap(({ source, logId }) => (logId === undefined ? [] : [[source, logId] as const])))
  // A topic that keeps the sender's time tells the same twice.
  const arrivedAt = record.timestamp === head.asOf ? undefined : record.timestamp
  return [{ logs, asOf: head.asOf, arrivedAt }]
}

/** A sentence for each service of ours under whose name another database ships. @param ours identities by source. */
export function doubledTexts(announced: readonly Announced[], ours: ReadonlyMap<string, string>): readonly string[] {
  const doubled = announced.flatMap(({ logs }) => {
    return [...logs].filter(([source, logId]) => ours.has(source) && ours.get(source) !== logId)
  })
  const byLog = Map.groupBy(doubled, ([, logId]) => logId)
  if (byLog.size === 0) return []
  const sources = [...new Set(doubled.map(([source]) => source))].toSorted()
  const logs = [...byLog.keys()].toSorted()
  return [
    `another database ships under the names ${sources.join(', ')} too (logs ${logs.join(', ')}): two installations ` +
      'use the same topics. Stop one of them: each needs a Kafka of its own',
  ]
}

/** @param ours clocks of own databases are looked at there; whoever else goes by their names is told as such. */
export function announcedSkews(
  announced: readonly Announced[],
  ours: ReadonlyMap<string, string>,
  now: number,
): readonly ClockSkew[] {
  const elsewhere = announced.filter(({ logs }) => ![...logs.keys()].some((source) => ours.has(source)))
  const databases = elsewhere.map(({ logs, asOf }): ClockSkew => {
    // How long it was under way is not known, so one that is behind is told as silent, below.
    const whose = `the database of ${[...logs.keys()].toSorted().join(', ')}`
    return {
      whose,
      aheadMs: Math.max(0, asOf - now),
      toleratedMs: DATABASE_TOLERANCE_MS,
      effect: 'limits of sagas may fire too early',
    }
  })
  const arrivals = announced.flatMap(({ arrivedAt }) => (arrivedAt === undefined ? [] : [arrivedAt]))
  if (arrivals.length === 0) return databases
  const aheadMs = Math.max(...arrivals) - now
  const effect = 'records may be deleted early, or refused as of the future'
  return [...databases, { whose: "Kafka's brokers", aheadMs, toleratedMs: BROKER_TOLERANCE_MS, effect }]
}

/** A sentence for each database elsewhere that has announced nothing for long, by its own clock. */
export function silentTexts(
  announced: readonly Announced[],
  ours: ReadonlyMap<string, string>,
  now: number,
): readonly string[] {
  return announced.flatMap(({ logs, asOf }) => {
    if ([...logs.keys()].some((source) => ours.has(source)) || now - asOf <= SILENT_MS) return []
    const sources = [...logs.keys()].toSorted().join(', ')
    return [
      `the database of ${sources} announced its logs ${spanOf(now - asOf)} ago: its relay stands still, or its clock ` +
        'is behind. Limits that wait for its answers do not fire',
    ]
  })
}
