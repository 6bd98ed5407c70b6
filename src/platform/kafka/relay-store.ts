// What the relay reads and writes in a database: waiting rows from one snapshot, and marks under its lease's epoch.
import { placeName } from '../rebuild/log-reader.ts'
import type { Answer, Connection, Statement } from '../store/postgres-connection.ts'
import { mapped } from '../store/postgres-errors.ts'
import { exclusively } from '../store/postgres-schema.ts'
import { sideConnections } from '../store/side-connections.ts'
import type { AnnouncedHead } from './heads-record.ts'
import { RELAY_PREFIX } from './rights.ts'
import * as statements from './relay-statements.ts'
import type { WaitingRow } from './whole-transactions.ts'

/** A row of a log that waits, with what its records are made of. */
export interface RelayRow extends WaitingRow {
  readonly generation: number
  readonly incarnation: number
  readonly appendedAt: number
  readonly body: string
  /** The first sequence that was not shipped yet: a row may straddle it. */
  readonly start: number
  /** Where its incarnation began; 0 where it is the first one. */
  readonly began?: number
}

/** A partition as its log and its mark have it. */
export interface Standing {
  readonly source: string
  readonly topic: string
  readonly partition: number
  /** The lowest sequence that is kept. */
  readonly first: number
  readonly next: number
  /** How far it is shipped; undefined where nothing was. */
  readonly mark: number | undefined
  readonly stopped: string | undefined
  /** From here on Kafka has lost what it had acknowledged. */
  readonly lostFrom: number | undefined
}

/** Kafka has lost what it had acknowledged of a partition. */
export interface Loss {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly from: number
  /** What it says to people. */
  readonly sentence: string
}

/** From `first` on a partition's numbers are those of an incarnation. */
export interface Era {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly incarnation: number
  readonly first: number
}

/** Where a partition is shipped again from. */
export interface SetBack {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly from: number
}

/** How far a partition is shipped. */
export interface Mark {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly next: number
  /** Why nothing more of it is shipped until somebody has looked. */
  readonly stopped?: string | undefined
}

/** What waits in one partition. */
export interface PartitionBacklog {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly records: number
  /** When the oldest of them was appended. */
  readonly oldestAt: number
  readonly stopped: string | undefined
}

export interface RelayStoreOptions {
  readonly url: string
  /** The services whose logs lie in this database. */
  readonly sources: readonly string[]
  /** Who holds the lease, as the leases name him. */
  readonly holder: string
  /** What answers the statements, where that is not PostgreSQL itself. */
  readonly connections?: RelayConnections
  /** Rows of one partition that one statement reads; a row holds what one transaction appended there. */
  readonly rowsAPartition?: number
}

/** As much of a pool of connections as the relay needs. */
export interface RelayConnections {
  read(statement: Statement): Promise<Answer>
  acquire(): Promise<Pick<Connection, 'send' | 'burst' | 'broken' | 'release'>>
  close(): Promise<void>
}

/** The lease is another's by now. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

const ROWS_A_PARTITION = 100

const BEGIN = { text: 'BEGIN READ WRITE' }
/** A mark that a crash loses is a record shipped twice, which every cursor drops: the disk need not be waited for. */
const NOT_DURABLE = { text: 'SET LOCAL synchronous_commit = off' }
const COMMIT = { text: 'COMMIT' }

export class RelayStore {
  readonly #options: RelayStoreOptions
  readonly #connections: RelayConnections
  readonly #rowsAPartition: number
  readonly #waitingText: string
  readonly #membersText: string
  /** The run of the server that the lease was looked up in. */
  #startedAt = ''
  #eras: ReadonlyMap<string, readonly Era[]> = new Map()

  constructor(options: RelayStoreOptions) {
    this.#options = options
    this.#rowsAPartition = options.rowsAPartition ?? ROWS_A_PARTITION
    this.#connections = options.connections ?? sideConnections(options.url, { limit: 2 })
    this.#waitingText = statements.readWaiting(options.sources)
    this.#membersText = statements.readMembers(options.sources)
  }

  /** Makes the table of marks, and gives the relay its name. */
  async prepare(): Promise<void> {
    await this.#with((connection) =>
      exclusively(connection, async () => {
        await connection.send({ text: statements.createMarks })
        await connection.send({ text: statements.addLostFrom })
        await connection.send({ text: statements.createRelayName })
        const values = [RELAY_PREFIX, this.#options.sources]
        await connection.send({ text: statements.giveRelayName, values })
      }),
    )
  }

  /** The epoch of our lease; undefined where it is not ours. */
  async epoch(): Promise<number | undefined> {
    const { rows } = await this.#read(statements.readEpoch, [this.#options.holder])
    if (rows[0] === undefined) return undefined
    this.#startedAt = String(rows[0][1])
    await this.#readEras()
    return Number(rows[0][0])
  }

  async #readEras(): Promise<void> {
    const { rows } = await this.#read(statements.readEras, [this.#options.sources])
    const eras = rows.map(([source, topic, partition, incarnation, first]) => {
      return { source, topic, partition, incarnation, first } as Era
    })
    this.#eras = Map.groupBy(eras, placeName)
  }

  /** The incarnation under which a partition's sequence is shipped. */
  eraOf(place: Pick<Era, 'source' | 'topic' | 'partition'>, sequence: number): Pick<Era, 'incarnation' | 'first'> {
    const known = this.#eras.get(placeName(place))?.findLast(({ first }) => first <= sequence)
    return known ?? { incarnation: 1, first: 0 }
  }

  /** The identity of each source's log. */
  async logIds(): Promise<ReadonlyMap<string, string>> {
    const text = 'SELECT name, log_id FROM lonja.schemas WHERE name = ANY ($1::text[])'
    const { rows } = await this.#read(text, [this.#options.sources])
    return new Map(rows.map(([name, logId]) => [String(name), String(logId)]))
  }

  /** What the relay of this database is called at the brokers, whoever of its processes has the lease. */
  async name(): Promise<string> {
    const { rows } = await this.#read(statements.readRelayName, [])
    return String(rows[0]?.[0])
  }

  /** What waits, with how many rows each transaction has: none where the lease is another's or was begun anew. */
  async waiting(epoch: number): Promise<readonly RelayRow[]> {
    const { holder } = this.#options
    const { rows } = await this.#read(this.#waitingText, [holder, epoch, this.#startedAt, this.#rowsAPartition])
    const read = await this.#withEras(rows.map(relayRow))
    const places = Map.groupBy(read, placeName)
    const isCut = [...places.values()].some((inPlace) => inPlace.length >= this.#rowsAPartition)
    const counts = isCut ? await this.#countMembers(read) : countBy(read.map(({ transaction }) => transaction))
    return read.map((row) => ({ ...row, rows: counts.get(row.transaction) ?? 1 }))
  }

  async #withEras(rows: readonly RelayRow[]): Promise<readonly RelayRow[]> {
    const isNew = rows.some((row) => row.incarnation > this.eraOf(row, row.last).incarnation)
    if (isNew) await this.#readEras()
    return rows.map((row) => {
      const { incarnation, first: began } = this.eraOf(row, row.last)
      return { ...row, incarnation: Math.max(incarnation, row.incarnation), began }
    })
  }

  /** Counts also the rows beyond what was read; those that were shipped, or whose partition stands, don't wait. */
  async #countMembers(read: readonly RelayRow[]): Promise<ReadonlyMap<string, number>> {
    const starts = new Map(read.map((row) => [placeName(row), row.start]))
    const numbers = [...new Set(read.map(({ transaction }) => Number(transaction.split('/', 1)[0])))]
    const { rows } = await this.#read(this.#membersText, [numbers])
    const waiting = rows.filter(([source, topic, partition, last]) => {
      const start = starts.get(`${source}/${topic}/${partition}`)
      return start !== undefined && Number(last) >= start
    })
    return countBy(waiting.map((row) => String(row[4])))
  }

  /** @throws {LeaseLost} */
  async mark(epoch: number, marks: readonly Mark[]): Promise<void> {
    const values = [
      this.#options.holder,
      epoch,
      marks.map(({ source }) => source),
      marks.map(({ topic }) => topic),
      marks.map(({ partition }) => partition),
      marks.map(({ next }) => next),
      marks.map(({ stopped = null }) => stopped),
    ]
    const written = await this.#with(async (connection) => {
      const answers = await connection.burst([BEGIN, NOT_DURABLE, { text: statements.writeMarks, values }, COMMIT])
      for (const answer of answers) if (answer.status === 'rejected') throw answer.reason
      const answer = answers[2]
      return answer?.status === 'fulfilled' ? (answer.value.rowCount ?? 0) : 0
    })
    if (written < marks.length) throw new LeaseLost('Another process relays this database by now.')
  }

  /** Lets some of the partitions that a refused record has stopped be tried again. */
  async tryStoppedAgain(epoch: number): Promise<void> {
    await this.#with((connection) => {
      return connection.send({ text: statements.tryStoppedAgain, values: [this.#options.holder, epoch] })
    })
  }

  /** The row that holds the last shipped record of each partition, beginning with that record. */
  async lastShipped(): Promise<readonly RelayRow[]> {
    const { rows } = await this.#read(statements.readLastShipped(this.#options.sources), [])
    return this.#withEras(rows.map(relayRow))
  }

  /** Where each partition ends, and how far it is shipped. */
  async standing(): Promise<readonly Standing[]> {
    const { rows } = await this.#read(statements.readStanding(this.#options.sources), [])
    return rows.map(standingOf)
  }

  /** The row that holds a sequence of a partition; undefined where it is not in the log. */
  async rowAt(source: string, topic: string, at: readonly [partition: number, sequence: number]) {
    const { rows } = await this.#read(statements.readRowAt(source), [topic, ...at])
    const [row] = rows.map(relayRow)
    return row !== undefined && row.first <= at[1] ? row : undefined
  }

  /** From now on these are shipped under the incarnations. @throws {LeaseLost} */
  async beginEras(epoch: number, eras: readonly Era[], now: number): Promise<void> {
    const places = eras.map((era) => ({ ...era, from: era.first }))
    await this.#setBack(epoch, places, async (connection) => {
      for (const { source, topic, partition, incarnation, first } of eras) {
        const era = [source, incarnation, topic, partition, first, now]
        await connection.send({ text: statements.writeEra, values: era })
        await connection.send({ text: statements.raiseIncarnation, values: [source, incarnation] })
      }
    })
    await this.#readEras()
  }

  /** What was shipped of these from there on counts as not shipped. @throws {LeaseLost} */
  async shipAgain(epoch: number, places: readonly SetBack[]): Promise<void> {
    await this.#setBack(epoch, places)
  }

  async #setBack(
    epoch: number,
    places: readonly SetBack[],
    before: (connection: Pick<Connection, 'send'>) => Promise<void> = async () => undefined,
  ): Promise<void> {
    await this.#with((connection) =>
      exclusively(connection, async () => {
        const values = [this.#options.holder, epoch, this.#startedAt]
        const held = await connection.send({ text: statements.readHeld, values })
        if (held.rows.length === 0) throw new LeaseLost('Another process relays this database by now.')
        await before(connection)
        const back = places.map((place) => ({ ...place, isMended: false }))
        await connection.send({ text: statements.setBack, values: statements.setBackValues(epoch, back) })
      }),
    )
  }

  /** Nothing more is shipped of these partitions until they are sent again from there on. @throws {LeaseLost} */
  async stopAtLosses(epoch: number, losses: readonly Loss[]): Promise<void> {
    const values = [
      this.#options.holder,
      epoch,
      this.#startedAt,
      losses.map(({ source }) => source),
      losses.map(({ topic }) => topic),
      losses.map(({ partition }) => partition),
      losses.map(({ from }) => from),
      losses.map(({ sentence }) => sentence),
    ]
    const { rowCount } = await this.#with((connection) => connection.send({ text: statements.writeLosses, values }))
    if ((rowCount ?? 0) < losses.length) throw new LeaseLost('Another process relays this database by now.')
  }

  async marks(): Promise<readonly Mark[]> {
    const { rows } = await this.#read(statements.readMarks, [])
    return rows.map(([source, topic, partition, next]) => ({ source, topic, partition, next }) as Mark)
  }

  async backlog(): Promise<readonly PartitionBacklog[]> {
    const { rows } = await this.#read(statements.readBacklog(this.#options.sources), [])
    return rows.map(([source, topic, partition, records, stopped, oldestAt]) => ({
      source: String(source),
      topic: String(topic),
      partition: Number(partition),
      records: Number(records),
      oldestAt: Number(oldestAt),
      stopped: stopped === null ? undefined : String(stopped),
    }))
  }

  /**
   * Where every log ends, and when that was so by the database's clock.
   *
   * @throws {LeaseLost} where the lease is no longer of that epoch.
   */
  async heads(epoch: number): Promise<readonly AnnouncedHead[]> {
    const held = await this.#read(statements.readHeld, [this.#options.holder, epoch, this.#startedAt])
    if (held.rows.length === 0) throw new LeaseLost('Another process relays this database by now.')
    const { rows } = await this.#read(statements.readHeads(this.#options.sources), [])
    return rows.map(([source, topic, partition, generation, first, next, made, asOf]) => {
      return { source, topic, partition, generation, first, next, made, asOf } as AnnouncedHead
    })
  }

  async close(): Promise<void> {
    await this.#connections.close()
  }

  #read(text: string, values: readonly unknown[]) {
    return mapped(this.#connections.read({ text, values }))
  }

  async #with<Result>(
    work: (connection: Pick<Connection, 'send' | 'burst' | 'broken'>) => Promise<Result>,
  ): Promise<Result> {
    const connection = await this.#connections.acquire()
    try {
      return await mapped(work(connection))
    } finally {
      connection.release()
    }
  }
}

function countBy(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

function relayRow(cells: readonly unknown[]): RelayRow {
  const [source, start, topic, partition, generation, incarnation, first, last, appendedAt, body, transaction] = cells
  const row = { source, start, topic, partition, generation, incarnation, first, last, appendedAt, body, transaction }
  return { ...row, rows: 1 } as RelayRow
}

/** As `readStanding` has it. */
export function standingOf(cells: readonly unknown[]): Standing {
  const [source, topic, partition, first, next, ...rest] = cells
  const [mark, stopped, lostFrom] = rest.map((cell) => (cell === null ? undefined : cell))
  return { source, topic, partition, first, next, mark, stopped, lostFrom } as Standing
}
