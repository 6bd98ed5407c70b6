// After a process died: counts what it left as it had found it, and gives up what it had in hand.
import type { Clock, Membership, Row, Store, Transaction, Write } from '../ports.ts'
import { Conflict } from '../ports.ts'
import type { Parking } from '../parking/parking.ts'
import type { Channels } from '../runtime/channels.ts'
import type { Observer } from '../runtime/observer.ts'
import type { Registry } from '../runtime/registry.ts'
import { inHandTable, takeoversTable } from '../store/tables.ts'
import type { CountedItem, Item } from './item.ts'
import { ALONE_FROM_DEATHS, isSame, itemsIn, itemsText, lotOf } from './item.ts'
import type { Found } from './left-behind.ts'
import { leftBehind, setBack } from './left-behind.ts'
import type { StoredHand } from './stored-hand.ts'
import { handIn, verdictOf } from './stored-hand.ts'
import { Suspects } from './suspects.ts'

export interface TakeoversOptions {
  readonly registry: Registry
  readonly store: Store
  readonly hosted: readonly string[]
  readonly clock: Clock
  readonly membership: Membership
  readonly observer: Observer
  readonly channels: Channels
  readonly parking: Parking
  /** Whether this process works on the partition. */
  readonly holds: (partitions: number, partition: number) => boolean
}

/** What of a lot is kept in its row: more than this can wait there after a long outage, and its first are enough. */
const MAX_ITEMS = 500

export class Takeovers {
  readonly suspects: Suspects
  readonly #options: TakeoversOptions
  /** Lots taken over from the dead and not looked through yet. */
  readonly #pending = new Set<string>()
  readonly #versions = new Map<string, number>()

  constructor(options: TakeoversOptions) {
    this.#options = options
    this.suspects = new Suspects(options)
  }

  /** Before memory is read afresh: takes note of the partitions that came from the dead. */
  inherit(): void {
    const inherited = this.#options.membership.inherited?.() ?? []
    const places = inherited === 'all' ? this.#places() : inherited
    for (const place of places) this.#pending.add(lotOf(this.#options.hosted, place))
  }

  /** After memory was read afresh: looks through what was taken over. Nothing is read where nobody died. */
  async review(): Promise<void> {
    const { store } = this.#options
    this.suspects.keepOurs()
    if (this.#pending.size === 0) return
    const transaction = await store.begin()
    try {
      await this.#reviewIn(transaction, [...this.#pending].toSorted())
      this.#pending.clear()
    } catch (error) {
      // Another process has taken them meanwhile, or takes a call back: the next look finds out.
      if (!(error instanceof Conflict)) throw error
    } finally {
      await transaction.release()
    }
  }

  #places() {
    const { all } = this.#options.channels
    const places = new Map(
      all.map(({ partitions, partition }) => [`${partitions}/${partition}`, { partitions, partition }]),
    )
    return [...places.values()]
  }

  async #reviewIn(transaction: Transaction, lots: readonly string[]): Promise<void> {
    const { clock, observer } = this.#options
    const { counted, hands } = await this.#read(transaction, lots)
    const found = await leftBehind(this.#options, new Set(lots))
    const writes: Write[] = []
    const rows: Row[] = []
    for (const lot of lots) {
      const before = counted.get(lot)
      const own = found.filter((each) => each.lot === lot).slice(0, MAX_ITEMS)
      const hand = hands.get(lot)
      const left = own.map((each) => ({ ...each, deaths: deathsOf(each, before?.items ?? [], hand) }))
      const version = (before?.version ?? 0) + 1
      if (before !== undefined || left.length > 0) rows.push([lot, version, itemsText(left)])
      this.#versions.set(lot, version)
      const judged = hand === undefined ? undefined : this.#judge(hand, own)
      if (judged !== undefined) writes.push(...setBack(this.#options, judged, clock.now()))
      const alone = left.filter(({ deaths }) => deaths >= ALONE_FROM_DEATHS)
      for (const each of alone) if (each !== judged) this.suspects.add(each)
      if (left.length > 0) observer.tookOver({ lot, waiting: left.length, alone: alone.length })
    }
    if (rows.length > 0) writes.push({ table: takeoversTable, mode: 'versioned', rows })
    if (writes.length === 0) return
    const ordered = writes.toSorted((one, other) => {
      return this.#options.registry.lockOrder(one.table) - this.#options.registry.lockOrder(other.table)
    })
    await transaction.commit({ writes: ordered, appends: [], appendedAt: clock.now(), transaction: 0 })
  }

  async #read(transaction: Transaction, lots: readonly string[]) {
    const keys = lots.map((lot) => [lot])
    const [rows, hands] = await Promise.all([
      transaction.load(takeoversTable, keys),
      transaction.load(inHandTable, keys),
    ])
    const counted = new Map(
      rows.map(([lot, version, items]) => [String(lot), { version: Number(version), items: itemsIn(String(items)) }]),
    )
    return { counted, hands: new Map(hands.map((cells) => [String(cells[0]), handIn(cells)])) }
  }

  /** Gives up what was in hand, if it still waits; whatever was handled before its process died is gone by now. */
  #judge(hand: StoredHand, found: readonly Found[]): Found | undefined {
    const error = verdictOf(hand)
    for (const each of found) {
      if (each.kind !== hand.kind || each.name !== hand.name || !isStillThere(each, hand)) continue
      if (each.kind === 'record') each.cursor.sentence = { sequence: hand.at, error }
      else if (each.kind === 'retry') this.suspects.sentence(each.name, { position: hand.at, error })
      this.#options.observer.foundInHand({ hand, group: each.group, error })
      return each
    }
    return undefined
  }

  /** What a database says about suspects, for whoever looks at it from beside the process that handles them. */
  async look(): Promise<void> {
    const { store, channels } = this.#options
    const { schema, name } = takeoversTable
    const rows = await store.query<{ readonly items: string }>(`SELECT items FROM ${store.tableName(schema, name)}`)
    const left = rows.flatMap(({ items }) => itemsIn(items)).filter(({ deaths }) => deaths >= ALONE_FROM_DEATHS)
    for (const { cursors } of channels.all) for (const cursor of cursors) this.suspects.mark(cursor, left)
  }

  /** Nothing has to go alone any more: the rows say so too. */
  async calmed(): Promise<void> {
    const { store, clock } = this.#options
    const rows = [...this.#versions].toSorted(([one], [other]) => (one < other ? -1 : 1))
    this.#versions.clear()
    if (rows.length === 0) return
    const transaction = await store.begin()
    try {
      const lots = rows.map(([lot, version]): Row => [lot, version + 1, '[]'])
      const write: Write = { table: takeoversTable, mode: 'versioned', rows: lots }
      await transaction.commit({ writes: [write], appends: [], appendedAt: clock.now(), transaction: 0 })
    } catch (error) {
      if (!(error instanceof Conflict)) throw error
    } finally {
      await transaction.release()
    }
  }
}

/** Whoever hung over a record of a batch that never was committed leaves no number: then all that waits goes alone. */
function deathsOf(item: Item, before: readonly CountedItem[], hand: StoredHand | undefined): number {
  const deaths = (before.find((known) => isSame(known, item))?.deaths ?? 0) + 1
  return hand?.kind === 'fresh' ? Math.max(deaths, ALONE_FROM_DEATHS) : deaths
}

function isStillThere(found: Found, { at }: StoredHand): boolean {
  // A record further on than the next one was in hand in a batch that was lost with its process.
  if (found.kind === 'record') return found.at <= at && at < found.cursor.channel.next
  // A parked key is counted by its version and was noted by a message's position: the queue is asked when it is read.
  return found.kind === 'retry' || found.at === at
}
