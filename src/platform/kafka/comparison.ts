// Compares what Kafka has of a database's logs with what was shipped: it may have lost some, or the database went back.
import { recordsOf } from '../log/record.ts'
import type { Clock } from '../ports.ts'
import { placeName } from '../rebuild/log-reader.ts'
import type { KafkaAddress } from './address.ts'
import { fromKafka, type RelayedRecord } from './record-headers.ts'
import type { Era, Loss, RelayStore, SetBack, Standing } from './relay-store.ts'
import { readTails, type Tail } from './tails.ts'
import { TopicAdmin, type PartitionEnds } from './topics.ts'

export interface ComparisonOptions {
  readonly address: KafkaAddress
  readonly clock: Clock
  readonly store: Pick<
    RelayStore,
    'standing' | 'logIds' | 'eraOf' | 'rowAt' | 'beginEras' | 'stopAtLosses' | 'shipAgain'
  >
  readonly observer: ComparisonObserver
}

export interface ComparisonObserver {
  /** The database is an earlier one than that of which Kafka has records: its logs go on under new incarnations. */
  readonly wentBack: (eras: readonly Era[]) => void
  /** Kafka has lost what it had acknowledged: nothing more of that partition is shipped. */
  readonly lost: (loss: Loss) => void
  /** Kafka has aborted what it had acknowledged: it is shipped again. */
  readonly aborted: (place: SetBack) => void
}

/** What of ours lies at the end of a partition, in the order of its offsets. */
interface Found {
  /** Also those of aborted transactions: our own readers may have taken them. */
  readonly records: readonly RelayedRecord[]
  /** Those that a reader of what is committed sees. */
  readonly visible: readonly RelayedRecord[]
  /** Whether the partition was read from its beginning, and whether that is its first record ever. */
  readonly isWhole: boolean
  readonly isUncut: boolean
}

/** Offsets; each begin of a relay repeats the last record, so it seldom takes more. */
const FIRST_DEPTH = 16
const DEEPER = 16

/** One at a time, by whoever relays, while nothing of his is under way. */
export class Comparison {
  readonly #options: ComparisonOptions
  /** A topic that was made anew under its name has lost all, also where it was written to since. */
  readonly #topicIds = new Map<string, string>()

  constructor(options: ComparisonOptions) {
    this.#options = options
  }

  /** @returns topics that something was shipped to and that are missing: one that is made later has lost all of it. */
  async compare(epoch: number): Promise<ReadonlySet<string>> {
    const { store, clock, observer } = this.#options
    const places = (await store.standing()).filter(({ lostFrom }) => lostFrom === undefined)
    const { found, renewed, missing } = await this.#find(places)
    const gone = places.filter(({ topic, mark = 0 }) => mark > 0 && missing.has(topic)).map(({ topic }) => topic)
    const eras: Era[] = []
    const losses: Loss[] = []
    const aborted: SetBack[] = []
    for (const place of places) {
      const own = found.get(placeName(place))
      if (own === undefined) continue
      const isRenewed = renewed.has(place.topic)
      const era = isRenewed ? undefined : await this.#eraAfter(place, own)
      const from = isRenewed ? 0 : this.#lostFrom(place, own)
      if (era !== undefined) eras.push(era)
      else if (!isRenewed && from !== undefined && this.#isThere(place, own, from)) aborted.push({ ...place, from })
      else losses.push(...lossOf(place, from))
    }
    if (losses.length > 0) await store.stopAtLosses(epoch, losses)
    for (const loss of losses) observer.lost(loss)
    if (aborted.length > 0) await store.shipAgain(epoch, aborted)
    for (const place of aborted) observer.aborted(place)
    if (eras.length > 0) {
      await store.beginEras(epoch, eras, clock.now())
      observer.wentBack(eras)
    }
    return new Set(gone)
  }

  /**
   * Whether all that nobody sees lies there, aborted: a broker that is killed while it ends a transaction may leave
   * some partitions without the mark of its end, and the next transaction there, where it is aborted, takes these along
   * (Apache Kafka 4.3.1: one of two kills 1 ms after the commit was asked for; it was acknowledged, in all of 40
   * partitions it went with the next abort).
   */
  #isThere(place: Standing, { records }: Found, from: number): boolean {
    const { store } = this.#options
    const { mark = 0, first } = place
    // What the log itself no longer keeps can't be shipped again.
    if (from < first || from >= mark) return false
    const isOurs = ({ sequence, incarnation }: RelayedRecord): boolean => {
      return incarnation === store.eraOf(place, sequence).incarnation
    }
    const there = new Set(records.filter(isOurs).map(({ sequence }) => sequence))
    for (let sequence = from; sequence < mark; sequence += 1) if (!there.has(sequence)) return false
    return true
  }

  /** Where the next incarnation begins: at the first record of ours that the database has otherwise, or not at all. */
  async #eraAfter(place: Standing, { records }: Found): Promise<Era | undefined> {
    const { source, topic, partition, mark = 0 } = place
    let first = Number.POSITIVE_INFINITY
    for (const record of records) {
      const { sequence, incarnation, began = sequence } = record
      const known = this.#options.store.eraOf(place, sequence).incarnation
      if (incarnation < known || sequence >= first) continue
      if (incarnation > known) first = Math.min(first, began)
      else if (sequence >= mark && !(await this.#isInLog(record))) first = sequence
    }
    if (first === Number.POSITIVE_INFINITY) return undefined
    const incarnations = records.map((record) => record.incarnation)
    const highest = Math.max(...incarnations, this.#options.store.eraOf(place, Number.MAX_SAFE_INTEGER).incarnation)
    return { source, topic, partition, incarnation: highest + 1, first }
  }

  async #isInLog(record: RelayedRecord): Promise<boolean> {
    const { source, topic, partition, sequence } = record
    const row = await this.#options.store.rowAt(source, topic, [partition, sequence])
    if (row === undefined) return false
    const own = recordsOf(source, row, sequence)[0]
    const said = ({ type, key, data, correlation, cause, appendedAt }: Omit<RelayedRecord, 'logId' | 'began'>) =>
      JSON.stringify([type, key, data, correlation, cause, appendedAt])
    return own !== undefined && said(own) === said(record)
  }

  /** The lowest number that was acknowledged and is not there; undefined where all is, or nobody can tell. */
  #lostFrom(place: Standing, { visible, isWhole, isUncut }: Found): number | undefined {
    const { mark = 0 } = place
    const last = visible.at(-1)
    // What a broker deleted after its time may have been the last of ours.
    if (last === undefined) return isWhole && isUncut ? 0 : undefined
    const era = this.#options.store.eraOf(place, mark - 1)
    if (last.incarnation < era.incarnation) return Math.min(last.sequence + 1, era.first)
    return last.sequence + 1 < mark ? last.sequence + 1 : undefined
  }

  async #find(places: readonly Standing[]) {
    const { address } = this.#options
    const admin = new TopicAdmin(address, 0)
    const ends = new Map<string, readonly PartitionEnds[]>()
    const renewed = new Set<string>()
    const missing = new Set<string>()
    try {
      const look = async (topic: string): Promise<void> => {
        const topicId = (await admin.find(topic))?.topicId
        if (topicId === undefined) {
          // That is told when something is shipped to it.
          missing.add(topic)
          return
        }
        if ((this.#topicIds.get(topic) ?? topicId) !== topicId) renewed.add(topic)
        this.#topicIds.set(topic, topicId)
        ends.set(topic, await admin.ends(topic))
      }
      await Promise.all([...new Set(places.map((place) => place.topic))].map(look))
    } finally {
      await admin.close()
    }
    return { found: await this.#findIn(places, ends), renewed, missing }
  }

  /**
   * A broker that was set back to a moment at which a transaction was open aborts it at the next start of a relay: its
   * records lie there, and nobody sees them. What lies beyond where a partition is stable is taken as seen: the
   * predecessor is fenced, so only the mark of its end is missing.
   */
  async #read(tails: ReadonlyMap<string, DeepTail>): Promise<readonly (RelayedRecord & { isVisible: boolean })[]> {
    const { address, clock } = this.#options
    const wanted = [...tails.values()]
    const all = await readTails({ address, clock, isolation: 'uncommitted' }, wanted)
    const stable = wanted.map((tail) => ({ ...tail, end: Math.min(tail.end, tail.stable) }))
    const committed = await readTails({ address, clock, isolation: 'committed' }, stable)
    const offsets = new Set(committed.map(({ topic, partition, offset }) => `${topic}/${partition}/${offset}`))
    return all.flatMap((fetched) => {
      const record = fromKafka(fetched)
      if ('stranger' in record) return []
      const { topic, partition, offset } = fetched
      const isDecided = offset < (tails.get(`${topic}/${partition}`)?.stable ?? 0)
      return [{ ...record, isVisible: !isDecided || offsets.has(`${topic}/${partition}/${offset}`) }]
    })
  }

  /** Reads deeper and deeper until something that was marked is found, or the beginning. */
  async #findIn(places: readonly Standing[], ends: ReadonlyMap<string, readonly PartitionEnds[]>) {
    const logIds = await this.#options.store.logIds()
    const found = new Map<string, Found>()
    let open = places.filter(({ topic, partition }) => ends.get(topic)?.[partition] !== undefined)
    for (let depth = FIRST_DEPTH; open.length > 0; depth *= DEEPER) {
      const tails = new Map<string, DeepTail>()
      for (const { topic, partition } of open) {
        const { first = 0, end = 0, stable = 0 } = ends.get(topic)?.[partition] ?? {}
        const from = Math.max(first, end - depth)
        tails.set(`${topic}/${partition}`, { topic, partition, first, from, end, stable })
      }
      const records = await this.#read(tails)
      const byPlace = Map.groupBy(records, placeName)
      for (const place of open) {
        const tail = tails.get(`${place.topic}/${place.partition}`)
        const own = byPlace.get(placeName(place))?.filter(({ source, logId }) => logIds.get(source) === logId) ?? []
        found.set(placeName(place), {
          records: own,
          visible: own.filter(({ isVisible }) => isVisible),
          isWhole: tail === undefined || tail.from <= tail.first,
          isUncut: tail?.first === 0,
        })
      }
      open = open.filter((place) => needsMore(place, found.get(placeName(place))))
    }
    return found
  }
}

interface DeepTail extends Tail {
  readonly first: number
  readonly stable: number
}

/** Of what nothing was ever shipped, the end of the partition tells enough: others may have filled it. */
function needsMore({ mark = 0 }: Standing, found: Found | undefined): boolean {
  if (found === undefined || found.isWhole || mark === 0) return false
  return !found.visible.some(({ sequence }) => sequence < mark)
}

function lossOf(place: Standing, lostFrom: number | undefined): Loss[] {
  const { source, topic, partition, mark = 0, first } = place
  const from = Math.max(lostFrom ?? mark, first)
  return from >= mark ? [] : [{ source, topic, partition, from, sentence: lossText(place, from) }]
}

function lossText({ source, topic, partition, mark = 0 }: Standing, from: number): string {
  const which = `${from} to ${mark - 1}`
  const where = `--topic ${topic} --partition ${partition} --source ${source} --from ${from}`
  const what = `Kafka has lost what ${source} appended to ${topic}/${partition} as ${which}`
  return `${what}: send it again with lonja relay resend ${where} --reason "WHY"`
}
