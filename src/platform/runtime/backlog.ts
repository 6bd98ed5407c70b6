// Reads what groups have not handled yet from the store, and notices what is missing or came back under new numbers.
import type { LogRecord } from '../log/record.ts'
import { recordsOf } from '../log/record.ts'
import type { Log, LogRow } from '../ports.ts'
import type { Channel, Channels, Cursor } from './channels.ts'
import { waitText } from './barriers.ts'
import type { AlarmKind } from './observer.ts'
import { isStopped } from './round.ts'
import type { Delivery } from './round-context.ts'
import { followSetBack } from './set-back.ts'

/** What one cursor gets in one batch, in whole log rows. */
export const MAX_RECORDS_A_CURSOR = 400
const MAX_ROWS_A_RANGE = 64

export interface BacklogOptions {
  readonly channels: Channels
  readonly logOf: (source: string) => Log
  readonly isOurs: (channel: Channel) => boolean
  readonly now: number
  /** Told of a gap or of a source that went back. */
  readonly alarm: (cursor: Cursor, message: string, kind: AlarmKind) => void
  /** At most one record a cursor: to find the one that a batch can't be committed with. */
  readonly oneByOne?: boolean
  /** Whether the group has still to read other partitions up to their barriers. */
  readonly waits: (cursor: Cursor) => Promise<boolean>
  /** Only these cursors. */
  readonly takes?: (cursor: Cursor) => boolean
}

/** The next records of every cursor that is behind. */
export async function readBacklog(options: BacklogOptions): Promise<Delivery[]> {
  const behind = new Map<string, Cursor[]>()
  for (const channel of options.channels.all) {
    if (!options.isOurs(channel)) continue
    for (const cursor of channel.cursors) {
      if (cursor.incarnation < channel.incarnation) await lookBack(cursor, options)
      if (isStopped(cursor, options.now)) continue
      if (cursor.next >= channel.next) {
        goOn(cursor)
        continue
      }
      if (options.takes?.(cursor) === false) continue
      if (cursor.generation > cursor.crossing.settled && (await options.waits(cursor))) {
        wait(cursor, options.now)
        continue
      }
      const cursors = behind.get(channel.source)
      if (cursors === undefined) behind.set(channel.source, [cursor])
      else cursors.push(cursor)
    }
  }
  const deliveries: Delivery[] = []
  for (const [source, cursors] of behind) deliveries.push(...(await readSource(source, cursors, options)))
  return deliveries
}

/**
 * One that stood still has nothing left to wait before. A source that went back stops its cursors for a second even
 * where it said nothing since: they were looked at a thousand times a second from then on.
 */
function goOn(cursor: Cursor): void {
  if (cursor.stopped !== undefined) Object.assign(cursor, { stopped: undefined, tries: 0, refused: undefined })
}

/** As long as it waits for another process, whose cursors are looked at. */
const BARRIER_RECHECK_MS = 100

function wait(cursor: Cursor, now: number): void {
  Object.assign(cursor, { stopped: waitText(cursor), stoppedFor: 'barrier', retryAt: now + BARRIER_RECHECK_MS })
}

async function lookBack(cursor: Cursor, { logOf, alarm }: BacklogOptions): Promise<void> {
  const news = await followSetBack(cursor, logOf(cursor.channel.source))
  if (news !== undefined && !isNew(cursor)) alarm(cursor, news, 'source-went-back')
}

/** Whoever has read nothing yet has seen no number twice. */
function isNew({ version }: Cursor): boolean {
  return version === 0
}

async function readSource(source: string, cursors: readonly Cursor[], options: BacklogOptions): Promise<Delivery[]> {
  const ranges = new Map<string, { topic: string; partition: number; from: number }>()
  for (const { channel, next } of cursors) {
    const { topic, partition } = channel
    ranges.set(`${topic}/${partition}/${next}`, { topic, partition, from: next })
  }
  const rows = await options.logOf(source).readLog(source, [...ranges.values()], MAX_ROWS_A_RANGE)
  return cursors.flatMap((cursor) => {
    const { topic, partition } = cursor.channel
    const own = rows.filter((row) => row.topic === topic && row.partition === partition && row.last >= cursor.next)
    const records = contiguous(cursor, own, options)
    return records.length === 0 ? [] : [{ cursor, records: options.oneByOne === true ? records.slice(0, 1) : records }]
  })
}

/** Records from the cursor's position on, without a gap; nothing above a gap is ever applied. */
function contiguous(cursor: Cursor, rows: readonly LogRow[], { alarm }: BacklogOptions): LogRecord[] {
  const records: LogRecord[] = []
  const { channel } = cursor
  let position = cursor.next
  const mayJump = channel.hasHoles && (isNew(cursor) || cursor.next >= channel.first)
  for (const row of rows.toSorted((one, other) => one.last - other.last)) {
    if (row.last < position) continue
    if (row.incarnation < cursor.incarnation) continue
    if (row.incarnation > cursor.incarnation) {
      const message = `its source went back and goes on as incarnation ${row.incarnation} at ${row.first}`
      if (!isNew(cursor)) alarm(cursor, message, 'source-went-back')
      cursor.incarnation = row.incarnation
    }
    if (row.first > position && !mayJump) break
    // Its own number, so that what is said of the cursor is said of the record that is next.
    if (mayJump && records.length === 0) cursor.next = Math.max(position, row.first)
    position = Math.max(position, row.first)
    records.push(...recordsOf(cursor.channel.source, row, position))
    position = row.last + 1
    if (records.length >= MAX_RECORDS_A_CURSOR) break
  }
  // Of a topic of others more is on its way, as long as it is kept.
  if (records.length === 0 && !mayJump) alarm(cursor, missingText(cursor, position), 'gap')
  return records
}

/** A group whose database was put back to before what its source still keeps can't be helped by waiting. */
function missingText({ channel: { source, first, topic, hasHoles } }: Cursor, position: number): string {
  if (hasHoles) {
    const gone = `the records of ${topic} from ${position} to ${first - 1} are no longer kept on Kafka`
    return `${gone}: go on without them by \`lonja offsets reset\``
  }
  if (position >= first) return `record ${position} is missing in ${source}'s log`
  return `record ${position} is no longer kept: ${source}'s log begins at ${first}. Restore a younger backup`
}
