// After a process died: counts what it left as it had found it, and gives up what it had in hand.
import type { Clock, Membership, Row, Store, Transaction, Write } from '../ports.ts'
import { Conflict } from '../ports.ts'
import type { Parking } from '../parking/parking.ts'
import type { Channels } from '../runtime/channels.ts'
import type { Observer } from '../runtime/observer.ts'
import type { Registry } from '../runtime/registry.ts'
import type { Batch } from '../runtime/round-context.ts'
import { inHandTable, takeoversTable } from '../store/tables.ts'
import type { CountedItem, Item } from './item.ts'
import { ALONE_FROM_DEATHS, answerName, isSame, itemsIn, itemsText, lotOf, parkedName, timerName } from './item.ts'
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
  /** The rows of this process's lots as they are stored. */
  readonly #rows = new Map<string, { readonly version: number; readonly items: readonly CountedItem[] }>()
  /** What waited at the takeover and was not taken up in this life yet: its lot, by kind and name. */
  readonly #untried = new Map<string, string>()

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
      const hand = hands.get(lot)
      const own = found.filter((each) => each.lot === lot).slice(0, MAX_ITEMS)
      const left = own.map((each) => ({ ...each, deaths: deathsOf(each, before?.items ?? []) }))
      const version = (before?.version ?? 0) + 1
      if (before !== undefined || left.length > 0) rows.push([lot, version, itemsText(left)])
      this.#rows.set(lot, { version, items: left })
      for (const { kind, name } of left) if (kind !== 'record') this.#untried.set(`${kind} ${name}`, lot)
      const judged = hand === undefined ? undefined : this.#judge(hand, found)
      if (judged !== undefined) writes.push(...setBack(this.#options, judged, clock.now()))
      const alone = left.filter((each) => hand?.kind === 'fresh' || takeoversOf(each) >= ALONE_FROM_DEATHS)
      for (const each of alone) {
        if (judged === undefined || !isSame(each, judged)) this.suspects.add({ ...each, deaths: takeoversOf(each) })
      }
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

  /**
   * Before a batch is handled: what waited at the takeover, and not in the log, is taken up now. One statement in those
   * batches of a life that came after a death, and none in others.
   */
  async takeUp({ inputs, timers, retries }: Batch): Promise<void> {
    if (this.#untried.size === 0) return
    const names = [
      ...inputs.flatMap((input) => (input.kind === 'answer' ? [`answer ${answerName(input.row)}`] : [])),
      ...timers.map((timer) => `timer ${timerName(timer)}`),
      ...retries.map(({ parked }) => `retry ${parkedName(parked)}`),
    ]
    const tried = new Set(names.filter((name) => this.#untried.has(name)))
    const lots = new Set([...tried].map((name) => this.#untried.get(name) ?? ''))
    for (const name of tried) this.#untried.delete(name)
    await this.#save([...lots], (items) =>
      items.map((item) => (tried.has(`${item.kind} ${item.name}`) ? { ...item, deaths: item.deaths + 1 } : item)),
    )
  }

  /** Nothing has to go alone any more: the rows say so too. */
  async calmed(): Promise<void> {
    await this.#save([...this.#rows.keys()], (items) =>
      items.filter((item) => item.kind !== 'record' && takeoversOf(item) < ALONE_FROM_DEATHS),
    )
  }

  async #save(
    lots: readonly string[],
    change: (items: readonly CountedItem[]) => readonly CountedItem[],
  ): Promise<void> {
    const { store, clock } = this.#options
    const rows = lots.toSorted().flatMap((lot): Row[] => {
      const row = this.#rows.get(lot)
      if (row === undefined) return []
      const next = { version: row.version + 1, items: change(row.items) }
      this.#rows.set(lot, next)
      return [[lot, next.version, itemsText(next.items)]]
    })
    if (rows.length === 0) return
    const transaction = await store.begin()
    try {
      const write: Write = { table: takeoversTable, mode: 'versioned', rows }
      await transaction.commit({ writes: [write], appends: [], appendedAt: clock.now(), transaction: 0 })
    } catch (error) {
      // Another process has taken them: they are no longer counted here.
      if (!(error instanceof Conflict)) throw error
      for (const lot of lots) this.#rows.delete(lot)
    } finally {
      await transaction.release()
    }
  }
}

function deathsOf(item: Item, before: readonly CountedItem[]): number {
  const deaths = before.find((known) => isSame(known, item))?.deaths ?? 0
  return item.kind === 'record' ? deaths + 1 : deaths
}

/** Takeovers that found it as it was: lives that took it up, and the one that ended before anybody counted. */
function takeoversOf({ kind, deaths }: CountedItem): number {
  return kind === 'record' ? deaths : deaths + 1
}

function isStillThere(found: Found, { at }: StoredHand): boolean {
  // A record further on than the next one was in hand in a batch that was lost with its process.
  if (found.kind === 'record') return found.at <= at && at < found.cursor.channel.next
  // A parked key is counted by its version and was noted by a message's position: the queue is asked when it is read.
  return found.kind === 'retry' || found.at === at
}
