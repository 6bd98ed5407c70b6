// Membership over PostgreSQL: leases by the database's clock, one heartbeat a second, wake-ups by NOTIFY.
import { randomUUID } from 'node:crypto'
import type { Clock, Membership, Random } from '../ports.ts'
import { systemClock, systemRandom } from '../system.ts'
import type { Connection } from './postgres-connection.ts'
import { Connections } from './postgres-connection.ts'
import type { Lease, View } from './postgres-leases.ts'
import * as leases from './postgres-leases.ts'
import { exclusively } from './postgres-schema.ts'

export interface MembershipOptions {
  readonly url: string
  /** The counts of partitions that topics have: a partition's number is leased across all topics of its count. */
  readonly partitionCounts: readonly number[]
  /** Only processes that run the same services share: name them, or a partition may lie with who can't work on it. */
  readonly scope?: string
  readonly leaseMs?: number
  readonly heartbeatMs?: number
  /** After this time without a beat a member whose session is gone has lost its leases; no longer than a lease. */
  readonly goneAfterMs?: number
  readonly clock?: Clock
  readonly random?: Pick<Random, 'fraction'>
  /** Milliseconds on a clock that nobody sets. */
  readonly monotonicMs?: () => number
  /** Told how many statements were sent. */
  readonly onSent?: (count: number) => void
}

/** Longer than a stopped process keeps its session, so a row lock is gone before the partition moves. */
const LEASE_MS = 10_000
const HEARTBEAT_MS = 1000
/** Two beats: whoever lives has opened a session anew by then, and nothing moves for a connection that was cut. */
const GONE_AFTER_MS = 2000
/** Beats spread by a tenth, so that processes started together do not stay in step. */
const JITTER = 0.1
/** The holder stops this much before the database lets others in. */
const MARGIN = 0.02
/** Announcements within this time are one notification. */
const ANNOUNCE_MS = 5
/** PostgreSQL takes 8,000 bytes a notification. */
const NOTICE_BYTES = 7000
/** More partitions than any topic has: a count and a partition make one number. */
const PARTITIONS_LIMIT = 65_536

interface Notice {
  readonly from: string
  /** Undefined: members or leases moved. */
  readonly sources?: readonly string[] | 'all'
}

/** A membership, and the name under which it holds its leases. */
export type NamedMembership = Membership & { readonly id: string }

export function postgresMembership(options: MembershipOptions): NamedMembership {
  return new PostgresMembership(options)
}

class PostgresMembership implements NamedMembership {
  readonly id: string = randomUUID()
  readonly #scope: string
  readonly #leaseMs: number
  readonly #heartbeatMs: number
  readonly #goneAfterMs: number
  readonly #clock: Clock
  readonly #random: Pick<Random, 'fraction'>
  readonly #monotonicMs: () => number
  #partitionCounts: readonly number[]
  readonly #connections: Connections
  readonly #changed: (() => void)[] = []
  readonly #announced: ((sources: readonly string[] | 'all') => void)[] = []
  readonly #toAnnounce = new Set<string>()
  readonly #held = new Set<number>()
  /** Taken from processes that died, and not told yet. */
  readonly #inherited: Lease[] = []
  #heldUntilMs = 0
  #heldUntilWallMs = 0
  #othersThere = false
  #connection: Connection | undefined
  /** The session of the last beat: others see by it that this process is there. */
  #seenBy: Connection | undefined
  #stepping: Promise<void> | undefined
  #stepAgain = false
  #stopping = false
  #cancelBeat = (): void => undefined
  #cancelExpiry = (): void => undefined
  #cancelAnnounce: (() => void) | undefined
  #shareHeld: (() => void) | undefined

  constructor(options: MembershipOptions) {
    const { url, partitionCounts, scope = 'all', clock = systemClock, onSent = () => undefined } = options
    this.#scope = scope
    this.#partitionCounts = partitionCounts
    this.#leaseMs = options.leaseMs ?? LEASE_MS
    this.#heartbeatMs = options.heartbeatMs ?? HEARTBEAT_MS
    this.#goneAfterMs = Math.min(options.goneAfterMs ?? GONE_AFTER_MS, this.#leaseMs)
    this.#clock = clock
    this.#random = options.random ?? systemRandom
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now())
    // An answer that takes longer than half a lease comes too late to be of use.
    const answerWithinMs = this.#leaseMs / 2
    this.#connections = new Connections({
      url,
      limit: 1,
      settings: {},
      connectWithinMs: 0,
      answerWithinMs,
      onSent,
    })
  }

  onChange(listener: () => void): void {
    this.#changed.push(listener)
  }

  onAnnounced(listener: (sources: readonly string[] | 'all') => void): void {
    this.#announced.push(listener)
  }

  holds(partitions: number, partition: number): boolean {
    return this.leased(partitions, partition) && this.#isInTime()
  }

  leased(partitions: number, partition: number): boolean {
    return this.#held.has(leaseNumber({ partitions, partition }))
  }

  /** By two clocks: the monotonic one can't be set back, and the wall clock goes on while a machine sleeps. */
  #isInTime(): boolean {
    const { untilMs, untilWallMs } = this.#heldUntil()
    return this.#monotonicMs() < untilMs && this.#clock.now() < untilWallMs
  }

  /** Without the session that others look at, they take this process for gone earlier than its lease ends. */
  #heldUntil(): { readonly untilMs: number; readonly untilWallMs: number } {
    const earlierMs = this.#seenBy?.broken === undefined ? 0 : this.#leaseMs - this.#goneAfterMs
    return { untilMs: this.#heldUntilMs - earlierMs, untilWallMs: this.#heldUntilWallMs - earlierMs }
  }

  inherited(): readonly Lease[] {
    return this.#inherited.splice(0)
  }

  async start(): Promise<void> {
    const connection = await this.#session()
    await this.#makeTables(connection)
    await connection.send({ text: leases.declareLeases, values: [this.#scope, this.#partitionCounts] })
    const held = new Promise<void>((resolve) => (this.#shareHeld = resolve))
    this.#stepSoon()
    await this.#stepping
    await connection.send({ text: leases.notify, values: [this.#notice()] })
    this.#beatLater()
    await held
  }

  /** Who else works here sees them with his next beat, and all take their shares. */
  async share(partitions: number): Promise<void> {
    if (this.#partitionCounts.includes(partitions) || this.#stopping) return
    const connection = await this.#session()
    await connection.send({ text: leases.declareLeases, values: [this.#scope, [partitions]] })
    this.#partitionCounts = [...this.#partitionCounts, partitions]
    this.#stepSoon()
  }

  async #makeTables(connection: Connection): Promise<void> {
    const exist = await connection.send({ text: leases.membershipTablesExist })
    if (exist.rows[0]?.[0] !== null) return
    await exclusively(connection, async () => {
      for (const text of leases.createMembershipTables) await connection.send({ text })
    })
  }

  /** The session that listens, opened anew where it broke; what was announced meanwhile is lost: all may be new. */
  async #session(): Promise<Connection> {
    if (this.#connection !== undefined && this.#connection.broken === undefined) return this.#connection
    this.#connection?.release()
    this.#connection = undefined
    const connection = await this.#connections.acquire()
    connection.onNotification((payload) => this.#hear(payload))
    this.#connection = connection
    await connection.send({ text: `LISTEN ${leases.CHANNEL}` })
    await connection.send({ text: leases.showSession, values: [this.id] })
    this.#tellAnnounced('all')
    return connection
  }

  #beatLater(): void {
    if (this.#stopping) return
    const delayMs = this.#heartbeatMs * (1 - JITTER * this.#random.fraction())
    this.#cancelBeat = this.#clock.after(delayMs, () => {
      this.#beatLater()
      this.#stepSoon()
      this.#tellAnnounced('all')
    })
  }

  /** One step at a time; whatever asks for one meanwhile gets another after it. */
  #stepSoon(): void {
    this.#stepAgain = true
    if (this.#stepping !== undefined || this.#stopping) return
    this.#stepping = this.#stepWhileAsked().finally(() => (this.#stepping = undefined))
  }

  async #stepWhileAsked(): Promise<void> {
    while (this.#stepAgain && !this.#stopping) {
      this.#stepAgain = false
      // What fails here is tried again by the next beat; until then the leases that we have run on, or out.
      await this.#step().catch(() => this.#giveUpInTime())
    }
  }

  /** Each beat that finds no session looks whether the others take this process for gone by now. */
  #giveUpInTime(): void {
    if (this.#monotonicMs() >= this.#heldUntil().untilMs) this.#keepOnly(new Set())
  }

  async #step(): Promise<void> {
    const view = await this.#beat()
    const { give, take } = leases.movesOf(view, this.id)
    if (give.length > 0) await this.#give(give)
    if (take.length > 0) await this.#take(take)
    const share = view.members.length > Math.min(...this.#partitionCounts) || this.#held.size > 0
    if (share) this.#shareHeld?.()
  }

  async #beat(): Promise<View> {
    const connection = await this.#session()
    // Taken before the request leaves: the database starts the lease's time later than we do.
    const untilMs = this.#monotonicMs() + this.#leaseMs * (1 - MARGIN)
    const untilWallMs = this.#clock.now() + this.#leaseMs * (1 - MARGIN)
    const values = [this.id, this.#scope, this.#leaseMs, this.#goneAfterMs]
    const { rows } = await connection.send({ text: leases.heartbeat, values })
    const members = new Set([this.id])
    let strangers = 0
    let late = 0
    const renewed = new Set<number>()
    const all: leases.HeldLease[] = []
    for (const [kind, id, partitions, partition] of rows as [string, string | null, number, number][]) {
      if (kind === 'member' || kind === 'stranger') late += partitions
      if (kind === 'member') members.add(String(id))
      // Processes with other services or roles share no partitions, but they wait for what is announced.
      else if (kind === 'stranger') strangers += 1
      else if (kind === 'renewed') renewed.add(leaseNumber({ partitions, partition }))
      else all.push({ partitions, partition, holder: id ?? undefined })
    }
    const hadLapsed = this.#held.size > 0 && !this.#isInTime()
    this.#seenBy = connection
    this.#keepUntil(untilMs, untilWallMs)
    this.#keepOnly(renewed)
    // What came while a clock that jumped kept us from it was passed over.
    if (hadLapsed) this.#tellChanged()
    if (late > 0) await this.#bury(connection)
    this.#othersThere = members.size + strangers > 1
    return { members: [...members].toSorted(), leases: all }
  }

  /** A member is late: it may be gone, and what it held is then free at the next step. */
  async #bury(connection: Connection): Promise<void> {
    const values = [this.#leaseMs, this.#goneAfterMs, this.#notice()]
    const { rows } = await connection.send({ text: leases.buryGone, values })
    if (rows.length > 0) this.#stepAgain = true
  }

  #keepUntil(untilMs: number, untilWallMs: number): void {
    this.#heldUntilMs = untilMs
    this.#heldUntilWallMs = untilWallMs
    this.#cancelExpiry()
    // A process that can't renew gives up by itself, before the database gives its partitions to others.
    this.#cancelExpiry = this.#clock.after(Math.max(0, untilMs - this.#monotonicMs()), () => this.#keepOnly(new Set()))
  }

  #keepOnly(renewed: ReadonlySet<number>): void {
    const same = this.#held.size === renewed.size && [...this.#held].every((lease) => renewed.has(lease))
    if (same) return
    this.#held.clear()
    for (const lease of renewed) this.#held.add(lease)
    this.#tellChanged()
  }

  /** Stops holding first and tells so, then lets others have them. */
  async #give(give: readonly Lease[]): Promise<void> {
    for (const lease of give) this.#held.delete(leaseNumber(lease))
    this.#tellChanged()
    const values = [this.id, this.#scope, ...columnsOf(give), this.#notice()]
    await (await this.#session()).send({ text: leases.giveLeases, values })
  }

  async #take(take: readonly Lease[]): Promise<void> {
    const values = [this.id, this.#scope, this.#leaseMs, ...columnsOf(take)]
    const { rows } = await (await this.#session()).send({ text: leases.takeLeases, values })
    for (const [partitions, partition, hasDied] of rows as [number, number, boolean][]) {
      this.#held.add(leaseNumber({ partitions, partition }))
      if (hasDied) this.#inherited.push({ partitions, partition })
    }
    if (rows.length > 0) this.#tellChanged()
    if (rows.length < take.length) this.#stepSoon()
  }

  announce(sources: readonly string[]): void {
    if (!this.#othersThere || this.#stopping) return
    for (const source of sources) this.#toAnnounce.add(source)
    this.#cancelAnnounce ??= this.#clock.after(ANNOUNCE_MS, () => {
      this.#cancelAnnounce = undefined
      const notice = this.#notice([...this.#toAnnounce])
      this.#toAnnounce.clear()
      // A notification that is lost costs the others at most one heartbeat.
      void this.#connection?.send({ text: leases.notify, values: [notice] }).catch(() => undefined)
    })
  }

  #notice(sources?: readonly string[]): string {
    if (sources === undefined) return JSON.stringify({ from: this.id } satisfies Notice)
    const notice = JSON.stringify({ from: this.id, sources } satisfies Notice)
    if (notice.length < NOTICE_BYTES) return notice
    return JSON.stringify({ from: this.id, sources: 'all' } satisfies Notice)
  }

  #hear(payload: string): void {
    const { from, sources } = JSON.parse(payload) as Notice
    if (from === this.id) return
    if (sources === undefined) this.#stepSoon()
    else this.#tellAnnounced(sources)
  }

  #tellAnnounced(sources: readonly string[] | 'all'): void {
    for (const listener of this.#announced) listener(sources)
  }

  #tellChanged(): void {
    for (const listener of this.#changed) listener()
  }

  async members(): Promise<readonly { id: string; partitions: readonly string[]; expiresAt: number }[]> {
    const { rows } = await (await this.#session()).send({ text: leases.listMembers })
    return rows.map(([id, expiresAt, partitions]) => {
      const list = String(partitions)
      return { id: String(id), expiresAt: Number(expiresAt), partitions: list === '' ? [] : list.split(',') }
    })
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#cancelBeat()
    this.#cancelAnnounce?.()
    await this.#stepping
    this.#cancelExpiry()
    this.#keepOnly(new Set())
    await this.#leave().catch(() => undefined)
    this.#connection?.release()
    this.#connection = undefined
    await this.#connections.close()
  }

  /** Where the database can't be reached the leases simply run out. */
  async #leave(): Promise<void> {
    if (this.#connection === undefined || this.#connection.broken !== undefined) return
    await this.#connection.send({ text: leases.leave, values: [this.id, this.#notice()] })
  }
}

function leaseNumber({ partitions, partition }: Lease): number {
  return partitions * PARTITIONS_LIMIT + partition
}

function columnsOf(list: readonly Lease[]): [number[], number[]] {
  return [list.map(({ partitions }) => partitions), list.map(({ partition }) => partition)]
}
