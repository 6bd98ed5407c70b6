// Ships the logs of one database to Kafka: one process at a time, in order, repeating where it must and never skipping.
import type { Clock, Membership } from '../ports.ts'
import { recordsOf } from '../log/record.ts'
import { placeName } from '../rebuild/log-reader.ts'
import { adviceFor } from './advice.ts'
import { refusalOf } from './kafka-error.ts'
import { headsRecord } from './heads-record.ts'
import { toKafka } from './record-headers.ts'
import { LeaseLost, type Mark, type RelayRow, type RelayStore } from './relay-store.ts'
import { MissingPartition, type OutgoingRecord, type TransactionalProducer } from './transactional-producer.ts'
import { wholeTransactions } from './whole-transactions.ts'

/** What sends, and whether its connection was lost since it was opened. */
export type RelayProducer = Pick<TransactionalProducer, 'send' | 'close'> &
  Partial<Pick<TransactionalProducer, 'wasCutOff'>>

export interface RelayOptions {
  readonly store: Pick<
    RelayStore,
    'epoch' | 'name' | 'logIds' | 'waiting' | 'mark' | 'heads' | 'tryStoppedAgain' | 'lastShipped'
  >
  /** Leases the database's relay, and tells when something was appended. */
  readonly membership: Pick<Membership, 'holds' | 'onChange' | 'onAnnounced'>
  /** Fences whoever relayed this database before. @param name what its relay is called at the brokers */
  readonly openProducer: (name: string) => Promise<RelayProducer>
  /**
   * Compares what Kafka has with what the database says was shipped, before anything is and each half minute.
   *
   * @returns topics that something was shipped to, and that are missing: each may be made any moment.
   * @throws what keeps it from looking: nothing is shipped then.
   */
  readonly compare?: (epoch: number) => Promise<ReadonlySet<string>>
  readonly clock: Clock
  readonly observer: RelayObserver
  /** Of one transaction of Kafka; a transaction of the database that is larger goes alone. */
  readonly capRecords?: number
}

export interface RelayObserver {
  /** So many records were acknowledged in one transaction, which took so long. */
  readonly shipped: (records: number, durationMs: number) => void
  /** A round went well, with or without something to ship; or the lease is another's, and with it the worry. */
  readonly well?: () => void
  /** Something failed; the relay begins again from its lease. */
  readonly failed: (error: unknown) => void
  /** A record that the broker refuses stops its partition; the others go on. */
  readonly refused: (mark: Mark) => void
}

const CAP_RECORDS = 2000
/** The broker takes 1 MB of one partition in one request, headers included: of small records they are the most. */
const BATCH_BYTES = 700_000
/** What a header takes beside its name and text. */
const BYTES_A_HEADER = 4
/** Announcements wake at once; a lost one is made up for after this long. */
const POLL_MS = 1000
const ANNOUNCE_EVERY_MS = 1000
/** A right may have been granted, a topic made, a limit raised: the stopped partitions are tried again in turn. */
const TRY_STOPPED_EVERY_MS = 60_000
/** A topic may be made anew, or a broker set back, under a relay that goes on. */
const COMPARE_EVERY_MS = 30_000
/** Whoever makes a topic anew looks at /health next, which then has to say what is lost. */
const COMPARE_MISSING_EVERY_MS = 1000
/** A stop does not wait for a broker that does not answer: the next relay settles what was sent. */
const STOP_WITHIN_MS = 2000
/** A broker that was just started knows its topics some moments later. */
const APPEARS_WITHIN_MS = 5000
const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 5000

interface Session {
  readonly epoch: number
  readonly producer: RelayProducer
  readonly name: string
  readonly logIds: ReadonlyMap<string, string>
}

export class Relay {
  readonly #options: RelayOptions
  #session: Session | undefined
  #isStopped = false
  #running: Promise<void> | undefined
  #wake = (): void => undefined
  #isWoken = false
  /** While Kafka is away whoever appends would otherwise ask for it each time. */
  #isBackingOff = false
  #retryMs = FIRST_RETRY_MS
  #announceAt = 0
  #tryStoppedAt = 0
  #compareAt = 0
  /** Topics that were missing when Kafka was compared: one that is there by now has lost all; it is compared first. */
  #unseen: ReadonlySet<string> = new Set()
  readonly #giveUp = Promise.withResolvers<never>()
  /** Topics that the brokers did not have, since when. */
  readonly #missingSince = new Map<string, number>()

  constructor(options: RelayOptions) {
    this.#options = options
    this.#giveUp.promise.catch(() => undefined)
    options.membership.onChange(() => this.wake())
    options.membership.onAnnounced(() => this.wake())
  }

  /** Begins to ship, as soon as the lease is ours. */
  start(): void {
    this.#running ??= this.#run()
  }

  /** Something was appended, or the lease came. */
  wake(): void {
    this.#isWoken = true
    if (!this.#isBackingOff) this.#wake()
  }

  /** Finishes the transaction in hand. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#wake()
    const cancel = this.#options.clock.after(STOP_WITHIN_MS, () => {
      this.#giveUp.reject(new Error('The relay stops.'))
      void this.#session?.producer.close()
    })
    await this.#running
    cancel()
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      this.#isWoken = false
      const waitMs = await this.#step()
      if (waitMs > 0) await this.#pause(waitMs)
    }
    await this.#close()
  }

  /** @returns how long to wait for more, where nobody wakes us. */
  async #step(): Promise<number> {
    this.#isBackingOff = false
    if (!this.#options.membership.holds(1, 0)) {
      await this.#close()
      this.#options.observer.well?.()
      return POLL_MS
    }
    try {
      // A broker closes what is idle for ten minutes: that is no failure, and yet a reason to compare.
      if (this.#session?.producer.wasCutOff === true) await this.#close()
      this.#session ??= await this.#begin()
      if (this.#session === undefined) return POLL_MS
      await this.#announce(this.#session)
      if (this.#options.clock.now() >= this.#compareAt) await this.#compare(this.#session.epoch)
      await this.#tryStopped(this.#session)
      const shipped = await this.#ship(this.#session)
      this.#retryMs = FIRST_RETRY_MS
      this.#options.observer.well?.()
      return shipped > 0 ? 0 : POLL_MS
    } catch (error) {
      await this.#close()
      if (!(error instanceof LeaseLost) && !this.#isStopped) this.#options.observer.failed(error)
      this.#isBackingOff = true
      const waitMs = this.#retryMs
      this.#retryMs = Math.min(LONGEST_RETRY_MS, 2 * waitMs)
      return waitMs
    }
  }

  /** The producer is opened under the lease and before anything is read: what the predecessor had in hand is over. */
  async #begin(): Promise<Session | undefined> {
    const { store, openProducer } = this.#options
    const epoch = await store.epoch()
    if (epoch === undefined) return undefined
    const [name, logIds] = [await store.name(), await store.logIds()]
    const session = { epoch, name, logIds, producer: await openProducer(name) }
    try {
      await this.#compare(epoch)
    } catch (error) {
      await session.producer.close()
      throw error
    }
    return this.#repeatLast(session)
  }

  /** The predecessor is fenced, and we have nothing under way: what Kafka has by now is all that it gets before us. */
  async #compare(epoch: number): Promise<void> {
    const compared = this.#options.compare?.(epoch)
    // Whoever stops does not wait for an answer that does not come.
    this.#unseen = (await Promise.race([compared, this.#giveUp.promise])) ?? new Set()
    const againMs = this.#unseen.size > 0 ? COMPARE_MISSING_EVERY_MS : COMPARE_EVERY_MS
    this.#compareAt = this.#options.clock.now() + againMs
  }

  /**
   * Sends the last record of each partition once more. A broker that is killed while it ends a transaction may leave
   * some partitions without the mark of its end (Apache Kafka 4.3.1, one broker, seen one time in three): readers of
   * what is committed would wait there for ever. The end of a later one of the same producer is taken for both.
   */
  async #repeatLast(session: Session): Promise<Session> {
    const { producer, logIds } = session
    const rows = await this.#options.store.lastShipped()
    const last = rows.flatMap((row) => outgoing([row], logIds).slice(0, 1))
    if (last.length === 0) return session
    try {
      await this.#send(producer, last)
      return session
    } catch (error) {
      // Nothing was sent, and what is missing is told when it is shipped.
      if (error instanceof MissingPartition) return session
      await producer.close()
      if (!isRefusal(error)) throw error
      return { ...session, producer: await this.#repeatByTopic(session, last) }
    }
  }

  /** A topic that is refused stops where something is to be shipped to it, and keeps no other from its beginning. */
  async #repeatByTopic({ name }: Session, last: readonly OutgoingRecord[]): Promise<Session['producer']> {
    const { openProducer } = this.#options
    let producer = await openProducer(name)
    for (const records of Map.groupBy(last, ({ topic }) => topic).values()) {
      try {
        await this.#send(producer, records)
      } catch (error) {
        await producer.close()
        if (!isRefusal(error)) throw error
        producer = await openProducer(name)
      }
    }
    return producer
  }

  /** @throws {LeaseLost} */
  async #held(): Promise<Session> {
    this.#session ??= await this.#begin()
    if (this.#session === undefined) throw new LeaseLost('Another process relays this database by now.')
    return this.#session
  }

  /** Says once a second where the logs end, also when nothing was appended: timers elsewhere wait to hear it. */
  async #announce({ epoch, producer, ...announcer }: Session): Promise<void> {
    const { clock, store } = this.#options
    if (clock.now() < this.#announceAt) return
    this.#announceAt = clock.now() + ANNOUNCE_EVERY_MS
    const heads = await store.heads(epoch)
    if (heads.length > 0) await producer.send([[headsRecord(announcer, heads)]])
  }

  /** Some at a time: of all at once, those behind the first refusals would wait for them each time. */
  async #tryStopped({ epoch }: Session): Promise<void> {
    const { clock, store } = this.#options
    if (clock.now() < this.#tryStoppedAt) return
    // The first time is a minute from now: a relay that begins anew again and again must not do it each time.
    const isFirst = this.#tryStoppedAt === 0
    this.#tryStoppedAt = clock.now() + TRY_STOPPED_EVERY_MS
    if (!isFirst) await store.tryStoppedAgain(epoch)
  }

  async #ship(session: Session): Promise<number> {
    const { store, clock, observer, capRecords = CAP_RECORDS } = this.#options
    const taken = wholeTransactions(await store.waiting(session.epoch), capRecords)
    if (taken.length === 0) return 0
    const startedAt = clock.now()
    const rows = taken.flat()
    const records = outgoing(rows, session.logIds)
    try {
      await this.#send(session.producer, records)
    } catch (error) {
      if (!isRefusal(error) || this.#mayAppear(error)) throw error
      await this.#close()
      await this.#findRefused(taken, error)
      // The next round finds less: some of it is shipped, and what is refused stands.
      return rows.length
    }
    for (const { topic } of rows) this.#missingSince.delete(topic)
    await store.mark(session.epoch, marksOf(rows))
    observer.shipped(records.length, clock.now() - startedAt)
    return records.length
  }

  /** @throws {MissingPartition} also of what is there again and has not been compared: it would begin in its midst. */
  async #send(producer: RelayProducer, records: readonly OutgoingRecord[]): Promise<void> {
    const topic = records.find((record) => this.#unseen.has(record.topic))?.topic
    if (topic !== undefined)
      throw new MissingPartition(topic, `Kafka does not have ${topic} any more: run topics:create.`)
    await producer.send(batchesOf(records))
  }

  #mayAppear(error: unknown): boolean {
    if (!(error instanceof MissingPartition)) return false
    const now = this.#options.clock.now()
    const since = this.#missingSince.get(error.topic) ?? now
    this.#missingSince.set(error.topic, since)
    return now - since < APPEARS_WITHIN_MS
  }

  /**
   * Sends transaction by transaction up to the one that the broker refuses, and that one row by row: the partition of
   * the row that is refused stops there, and the next round goes on without it.
   */
  async #findRefused(taken: readonly (readonly RelayRow[])[], first: unknown): Promise<void> {
    for (const rows of taken) {
      const together = await this.#shipAlone(rows)
      if (together === undefined) continue
      for (const row of rows) {
        const refusal = rows.length === 1 ? together : await this.#shipAlone([row])
        if (refusal === undefined) continue
        await this.#stopAt(row, refusal)
        return
      }
    }
    // All went alone, so what was refused were they together: the next round takes what is left.
    this.#options.observer.failed(first)
  }

  /** @returns why the broker refuses it, or undefined where it is shipped. */
  async #shipAlone(rows: readonly RelayRow[]): Promise<unknown> {
    const session = await this.#held()
    try {
      await this.#send(session.producer, outgoing(rows, session.logIds))
    } catch (error) {
      if (!isRefusal(error)) throw error
      await this.#close()
      return error
    }
    await this.#options.store.mark(session.epoch, marksOf(rows))
    return undefined
  }

  async #stopAt(row: RelayRow, refusal: unknown): Promise<void> {
    const { store, observer } = this.#options
    const { epoch } = await this.#held()
    // A row that was shipped in part goes on in its midst.
    const mark = { ...markOf(row, Math.max(row.first, row.start)), stopped: sentenceOf(row, refusal) }
    await store.mark(epoch, [mark])
    observer.refused(mark)
  }

  async #close(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    await session?.producer.close()
  }

  #pause(waitMs: number): Promise<void> {
    if (this.#isStopped || (this.#isWoken && !this.#isBackingOff)) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const cancel = this.#options.clock.after(waitMs, resolve)
    return promise.finally(cancel)
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof MissingPartition || refusalOf(error) !== undefined
}

function sentenceOf({ source, topic, partition, first, last }: RelayRow, error: unknown): string {
  const why = error instanceof MissingPartition ? error.message : `${refusalOf(error)}${adviceFor(error)}`
  return `Kafka refuses what ${source} appended to ${topic}/${partition} as ${first} to ${last}: ${why}`
}

function outgoing(rows: readonly RelayRow[], logIds: ReadonlyMap<string, string>): OutgoingRecord[] {
  return rows.flatMap((row) => {
    const logId = logIds.get(row.source) ?? ''
    return recordsOf(row.source, row, row.start).map((record) => toKafka(record, logId, row.began))
  })
}

/** Of one partition no more in one request than the broker takes: the client never splits. */
function batchesOf(records: readonly OutgoingRecord[]): OutgoingRecord[][] {
  const batches: OutgoingRecord[][] = []
  const filled = new Map<string, { bytes: number; batch: number }>()
  for (const record of records) {
    const place = `${record.topic}/${record.partition}`
    const known = filled.get(place) ?? { bytes: 0, batch: 0 }
    const bytes = bytesOf(record)
    const isFull = known.bytes > 0 && known.bytes + bytes > BATCH_BYTES
    const now = isFull ? { bytes, batch: known.batch + 1 } : { bytes: known.bytes + bytes, batch: known.batch }
    filled.set(place, now)
    const batch = (batches[now.batch] ??= [])
    batch.push(record)
  }
  return batches
}

function bytesOf({ key, value, headers }: OutgoingRecord): number {
  let bytes = key.length + value.length
  for (const [name, text] of headers) bytes += name.length + text.length + BYTES_A_HEADER
  return bytes
}

function marksOf(rows: readonly RelayRow[]): Mark[] {
  return [...new Map(rows.map((row) => [placeName(row), row])).values()].map((row) => markOf(row, row.last + 1))
}

function markOf({ source, topic, partition }: RelayRow, next: number): Mark {
  return { source, topic, partition, next }
}
