// Looks at every commit that really happened and says at once when it breaks a promise.
import type { Plan, Row, Table, Write } from '../../src/platform/ports.ts'
import type { RecordBody } from '../../src/platform/log/record.ts'
import type { Copy } from './database.ts'
import { AGGREGATE_TABLES, GROUP_TYPES, registry, skips } from './wiring.ts'
import { MESSAGE_DIED } from '../../src/kernel/message-died.ts'
import type { Aside, AsideChanges } from './parked-ledger.ts'
import { laneOf, type Moved, passedBy } from './lanes.ts'
import { DueTimers } from './due-timers.ts'
import { ParkedLedger, asideName } from './parked-ledger.ts'
import type { RareCounts } from './rare.ts'
import { RARE_BY_TYPE } from './rare.ts'

/** A record as it was committed. */
export interface Logged {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly sequence: number
  readonly type: string
  readonly key: string
  readonly data: unknown
  readonly correlation: string
  readonly appendedAt: number
  /** When its commit really was, which may be later than the moment it is stamped with. */
  readonly committedAt: number
  /** Its number among all records, as they were committed: a key's partition may change, this grows along each key. */
  readonly order: number
}

/** That a group's handlers ran for a message. */
export interface Handled {
  readonly group: string
  readonly type: string
  readonly key: string
}

/** One commit as the store took it. */
export interface Committed {
  readonly plan: Plan
  readonly firsts: readonly number[]
  /** What the handlers of its batch ran for; undefined for commits of no batch, such as those of a rebuild. */
  readonly handled: readonly Handled[] | undefined
  readonly committedAt: number
  /** How far the clock of its node has ever been ahead. */
  readonly aheadMs: number
}

export interface OrderSeen {
  readonly orderId: string
  readonly source: string
  ends: number
  status: 'placed' | 'confirmed' | 'cancelled' | 'failed'
  needsPerson: boolean
}

export type Fail = (check: string, message: string) => void

const FINAL = { OrderConfirmed: 'confirmed', OrderCancelled: 'cancelled', OrderFailed: 'failed' } as const

export class Oracle {
  readonly logs = new Map<string, Logged[]>()
  /** By group and place. */
  readonly cursors = new Map<string, number>()
  readonly orders = new Map<string, OrderSeen>()
  /** How many records of each type name this principal, adjustment or return. */
  readonly happened = new Map<string, number>()
  readonly incarnations = new Map<string, number>()
  isScaled = false
  commits = 0
  readonly parked = new ParkedLedger()
  /** Tables that are being rebuilt, and whether a node has died since. */
  readonly building = new Map<string, boolean>()
  /** Captures that are under way, by order. */
  capturing: ReadonlyMap<string, number> = new Map()
  readonly #timers: DueTimers
  /** The last record that each group handled of each key, by log. */
  readonly #lastHandled = new Map<string, number>()
  readonly #versions = new Map<string, number>()
  readonly #streams = new Map<string, number>()
  readonly #effects = new Set<string>()
  readonly #fail: Fail
  readonly #rare: RareCounts
  #orders = 0

  constructor(fail: Fail, rare: RareCounts) {
    this.#fail = fail
    this.#rare = rare
    this.#timers = new DueTimers(this, fail, rare)
  }

  /** Takes what is committed already as given. */
  begin(copy: Copy): void {
    for (const { name: schema } of registry.services) {
      for (const [, topic, partition, , , , , appendedAt, , body] of copy.get(`${schema}_log`) ?? []) {
        const log = this.#logOf(`${schema}/${topic}/${partition}`)
        for (const { type, key, data, correlation = key } of JSON.parse(String(body)) as readonly RecordBody[]) {
          const place = { source: schema, topic: String(topic), partition: Number(partition), sequence: log.length }
          const moment = { appendedAt: Number(appendedAt), committedAt: 0, order: (this.#orders += 1) }
          const record = { ...place, type, key, data, correlation, ...moment }
          log.push(record)
          this.#follow(record)
        }
      }
      for (const [group, topic, partition, source, , next] of copy.get(`${schema}_cursors`) ?? [])
        this.cursors.set(`${group} ${source}/${topic}/${partition}`, Number(next))
      for (const [kind, key] of copy.get(`${schema}_streams`) ?? []) this.#countEvent(`${schema}.${kind} ${key}`)
      for (const [id] of copy.get(`${schema}_effects`) ?? []) this.#effects.add(`${schema} ${id}`)
    }
    for (const { schema, tables } of registry.schemas) for (const table of tables) this.#beginTable(schema, table, copy)
  }

  #beginTable(schema: string, table: Table, copy: Copy): void {
    const at = versionAt(table)
    if (at === -1) return
    for (const row of copy.get(`${schema}_${table.name}`) ?? [])
      this.#versions.set(`${schema}.${table.name} ${keyOf(table, row)}`, Number(row[at]))
  }

  committed(commit: Committed): void {
    this.commits += 1
    const { plan, handled } = commit
    if (plan.scalings !== undefined) this.isScaled = true
    const appended = this.#append(commit)
    const moved = this.#moveCursors(plan.writes)
    for (const write of plan.writes) this.#look(write)
    const aside = this.parked.take(plan)
    this.#checkCauses(appended, { moved, aside, plan })
    if (handled !== undefined) this.#checkHandled(handled, moved, aside)
    this.#timers.take(commit)
    this.#followBuilds(plan.writes)
    this.#checkStreams(plan.writes)
    for (const { record } of appended) this.#see(record)
  }

  /** What was appended: the heads as they really are, without a gap. */
  #append({ plan, firsts, committedAt }: Committed): { readonly record: Logged; readonly cause: string }[] {
    const appended: { readonly record: Logged; readonly cause: string }[] = []
    plan.appends.forEach(({ source, topic, partition, body }, index) => {
      const place = `${source}/${topic}/${partition}`
      const log = this.#logOf(place)
      const first = firsts[index] ?? -1
      if (first !== log.length) this.#fail('log gap', `${place} has ${log.length} records, the next one got ${first}`)
      const appendedAt = Math.max(plan.appendedAt, log.at(-1)?.appendedAt ?? 0)
      for (const { type, key, data, correlation = key, cause } of JSON.parse(body) as readonly RecordBody[]) {
        const sequence = log.length
        const record = {
          source,
          topic,
          partition,
          sequence,
          type,
          key,
          data,
          correlation,
          appendedAt,
          committedAt,
          order: (this.#orders += 1),
        }
        log.push(record)
        appended.push({ record, cause })
      }
    })
    return appended
  }

  #logOf(place: string): Logged[] {
    let log = this.logs.get(place)
    if (log === undefined) this.logs.set(place, (log = []))
    return log
  }

  #moveCursors(writes: readonly Write[]): Map<string, Moved> {
    const moved = new Map<string, Moved>()
    for (const { table, mode, rows } of writes) {
      if (table.name !== 'cursors') continue
      for (const [group, topic, partition, source, , next] of rows) {
        const place = `${source}/${topic}/${partition}`
        const name = `${group} ${place}`
        const before = this.cursors.get(name) ?? 0
        if (mode === 'delete') {
          this.cursors.delete(name)
          continue
        }
        const after = Number(next)
        if (after < before) this.#fail('cursor fell', `${name} went from ${before} back to ${after}`)
        const head = this.logs.get(place)?.length ?? 0
        if (after > head) this.#fail('cursor above its head', `${name} stands at ${after}, the head at ${head}`)
        this.cursors.set(name, after)
        moved.set(name, { before, after })
      }
    }
    return moved
  }

  #look(write: Write): void {
    const { table, mode, rows } = write
    if (table.name === 'effects') this.#lookAtEffects(write)
    const at = versionAt(table)
    if (at === -1) return
    const prefix = `${table.schema}.${table.name} `
    for (const row of rows) {
      const name = prefix + keyOf(table, row)
      // A row that goes may come again, from version 1 on.
      if (mode === 'delete') this.#versions.delete(name)
      else if (mode === 'insert') this.#versions.set(name, Number(row[at]))
      if (mode !== 'versioned') continue
      const before = this.#versions.get(name) ?? 0
      if (Number(row[at]) !== before + 1) {
        this.#fail('lost update', `${name} was written as version ${row[at]} over version ${before}`)
      }
      this.#versions.set(name, Number(row[at]))
    }
  }

  #lookAtEffects({ table, mode, rows }: Write): void {
    for (const row of rows) {
      const name = `${table.schema} ${row[0]}`
      if (mode === 'insert') this.#effects.add(name)
      const isGone = mode === 'delete' && !this.#effects.delete(name)
      if (isGone) this.#fail('answered twice', `${name} has no open row any more`)
    }
  }

  /** What a record led to is committed with the cursor that passes the record, or it would be done again. */
  #checkCauses(
    appended: readonly { readonly record: Logged; readonly cause: string }[],
    { moved, aside, plan }: CauseContext,
  ): void {
    for (const { record, cause } of appended) {
      if (cause.startsWith('http ') || cause.startsWith('timer ')) continue
      if (cause.startsWith('effect ')) {
        if (!deletes(plan, record.source, cause.slice('effect '.length)))
          this.#fail('answer without its row', `${record.type} of ${record.key} came of ${cause}, whose row stayed`)
        continue
      }
      const cut = cause.lastIndexOf('/')
      const [place, sequence] = [cause.slice(0, cut), Number(cause.slice(cut + 1))]
      const cursor = moved.get(`${record.source} ${place}`)
      const name = asideName({ group: record.source, place, sequence })
      if (aside.set.has(name) || aside.left.some((one) => asideName(one) === name)) continue
      if (cursor === undefined || sequence < cursor.before || sequence >= cursor.after) {
        const where = cursor === undefined ? 'did not move' : `went from ${cursor.before} to ${cursor.after}`
        this.#fail('effect without its cursor', `${record.source} said ${record.type} of ${cause}, its cursor ${where}`)
      }
    }
  }

  /** Each record that a cursor passes, or that leaves its queue, was handled in the same transaction, once. */
  #checkHandled(handled: readonly Handled[], moved: ReadonlyMap<string, Moved>, { set, left }: AsideChanges): void {
    const expected = new Map<string, string>()
    for (const { group, place, sequence } of left) this.#expect(expected, { group, place, sequence })
    const passed = passedBy(moved).filter((one) => set.size === 0 || !set.has(asideName(one)))
    // A key may have moved from one partition to another, and a batch may pass both.
    if (this.isScaled) passed.sort((one, other) => this.#orderOf(one) - this.#orderOf(other))
    for (const one of passed) this.#expect(expected, one)
    if (expected.size === 0 && handled.length === 0) return
    const seen = new Map<string, string>()
    for (const { group, type, key } of handled) {
      const lane = laneOf({ group, log: GROUP_TYPES.get(group)?.get(type) ?? '', type, key })
      seen.set(lane, `${seen.get(lane) ?? ''} ${type}`)
    }
    for (const lane of new Set([...expected.keys(), ...seen.keys()])) {
      const [wanted, found] = [expected.get(lane) ?? ' nothing', seen.get(lane) ?? ' nothing']
      if (wanted !== found) this.#fail('exactly once', `${lane}: to be handled was${wanted}, handled was${found}`)
    }
  }

  #orderOf({ place, sequence }: Aside): number {
    return this.logs.get(place)?.[sequence]?.order ?? 0
  }

  /** One more record of a lane, which never goes back: that is the order per key. */
  #expect(expected: Map<string, string>, { group, place, sequence }: Aside): void {
    const record = this.logs.get(place)?.[sequence]
    if (record === undefined || GROUP_TYPES.get(group)?.has(record.type) !== true) return
    const lane = laneOf({ group, log: `${record.source}/${record.topic}`, type: record.type, key: record.key })
    const last = this.#lastHandled.get(lane) ?? -1
    // Where a group skips its dead, what is sent again comes late by design; everywhere else order holds through it.
    const isResent = skips(group, record.topic) && this.parked.redriven.has(asideName({ group, place, sequence }))
    const isLate = isResent || record.type === MESSAGE_DIED
    const { order } = record
    if (order <= last && !isLate) {
      const which = `${record.type} ${place}/${sequence}, record ${order},`
      this.#fail('order per key', `${lane}: ${which} was handled after record ${last}`)
    }
    this.#lastHandled.set(lane, Math.max(order, last))
    expected.set(lane, `${expected.get(lane) ?? ''} ${record.type}`)
  }

  #followBuilds(writes: readonly Write[]): void {
    for (const { table, rows } of writes) {
      if (table.name !== 'builds') continue
      for (const [projection, , live, building] of rows) {
        const name = `${table.schema} ${projection}`
        if (building !== null) this.building.set(name, this.building.get(name) ?? false)
        else if (this.building.get(name) === true && Number(live) > 0) this.#rare.hit('rebuild crossed a crash')
        if (building === null) this.building.delete(name)
      }
    }
  }

  /** A node died: builds that are under way are gone on with by another, or by itself. */
  crashed(): void {
    for (const name of this.building.keys()) this.building.set(name, true)
  }

  /** The document of an aggregate is never ahead of its stream, nor behind it. */
  #checkStreams(writes: readonly Write[]): void {
    for (const { table, rows } of writes) {
      if (table.name !== 'streams') continue
      for (const [kind, key] of rows) this.#countEvent(`${table.schema}.${kind} ${key}`)
    }
    for (const { table, rows } of writes) {
      const name = `${table.schema}.${table.name}`
      if (!AGGREGATE_TABLES.has(name)) continue
      for (const [key, , state] of rows) {
        const events = Number(/^\{"events":(\d+)/.exec(String(state))?.[1])
        const stored = this.#streams.get(`${name} ${key}`) ?? 0
        if (events !== stored) this.#fail('snapshot ahead', `${name} ${key} counts ${events} events, stored ${stored}`)
      }
    }
  }

  #countEvent(stream: string): void {
    this.#streams.set(stream, (this.#streams.get(stream) ?? 0) + 1)
  }

  #see(record: Logged): void {
    this.#follow(record)
    this.#countRare(record)
  }

  /** What the log says of orders and commands. */
  #follow({ type, key, data, source }: Logged): void {
    if (type === 'OrderPlaced') {
      const by = (data as { readonly source: string }).source
      if (this.orders.has(key)) this.#fail('placed twice', `the order ${key} was placed twice`)
      this.orders.set(key, { orderId: key, source: by, ends: 0, status: 'placed', needsPerson: false })
      this.#count(`${type} ${by}`)
    } else if (type in FINAL && source === 'orders') this.#end(key, FINAL[type as keyof typeof FINAL])
    else if (type === 'StockAdjusted' || type === 'ReturnRequested') {
      this.#count(`${type} ${(data as { readonly reason: string }).reason}`)
    }
  }

  #end(orderId: string, status: OrderSeen['status']): void {
    const order = this.orders.get(orderId)
    if (order === undefined) return
    order.ends += 1
    order.status = status
    if (order.ends > 1) this.#fail('ended twice', `the order ${orderId} ended again, as ${status}`)
  }

  #count(name: string): void {
    this.happened.set(name, (this.happened.get(name) ?? 0) + 1)
  }

  #countRare({ type, key, data }: Logged): void {
    const rare = RARE_BY_TYPE[type]
    if (rare !== undefined) this.#rare.hit(rare)
    const order = this.orders.get(key)
    if (type === 'OrderFlagged' && order !== undefined) order.needsPerson = true
    if (type === 'RefundPayment' && (this.capturing.get(key) ?? 0) > 0)
      this.#rare.hit('saga undone while a capture was in flight')
    if (type === 'PaymentDeclined' && (data as { readonly reason: string }).reason === 'WITHDRAWN')
      this.#rare.hit('do refused by a tombstone')
  }
}

interface CauseContext {
  readonly moved: ReadonlyMap<string, Moved>
  readonly aside: AsideChanges
  readonly plan: Plan
}

const versionPlaces = new WeakMap<Table, number>()

function versionAt(table: Table): number {
  let at = versionPlaces.get(table)
  if (at === undefined) versionPlaces.set(table, (at = table.columns.findIndex(({ name }) => name === 'version')))
  return at
}

function keyOf({ keyWidth }: Table, row: Row): string {
  return keyWidth === 1 ? String(row[0]) : row.slice(0, keyWidth).join(' ')
}

function deletes({ writes }: Plan, schema: string, id: string): boolean {
  return writes.some(({ table, mode, rows }) => {
    return table.name === 'effects' && table.schema === schema && mode === 'delete' && rows.some(([key]) => key === id)
  })
}
