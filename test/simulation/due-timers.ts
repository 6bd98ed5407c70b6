// The timers that are stored, and that none fires before whatever could have answered it was read.
import type { Plan, Row } from '../../src/platform/ports.ts'
import type { Committed, Fail, Logged } from './oracle.ts'
import type { RareCounts } from './rare.ts'
import { GROUP_TOPICS } from './wiring.ts'

interface StoredTimer {
  readonly group: string
  readonly due: number
  readonly partition: number
  /** What it is about: the key of whatever could answer it. */
  readonly about: string
}

/** What is known of logs and cursors. */
export interface Places {
  readonly logs: ReadonlyMap<string, readonly Logged[]>
  readonly cursors: ReadonlyMap<string, number>
  /** Whether any topic was scaled in this history. */
  readonly isScaled: boolean
}

/** The key of a saga's timer is the saga's; that of a command's ends with a number of its own. */
function timerOf(group: string, [due, partition, name, key]: Row | readonly (Row[number] | undefined)[]): StoredTimer {
  const text = String(key)
  const about = String(name).startsWith('saga ') ? text : text.slice(0, text.lastIndexOf(' '))
  return { group, due: Number(due), partition: Number(partition), about }
}

export class DueTimers {
  readonly #timers = new Map<string, StoredTimer>()
  readonly #places: Places
  readonly #fail: Fail
  readonly #rare: RareCounts
  #first = Number.POSITIVE_INFINITY

  constructor(places: Places, fail: Fail, rare: RareCounts) {
    this.#places = places
    this.#fail = fail
    this.#rare = rare
  }

  take(commit: Committed): void {
    this.#checkFired(commit)
    this.#follow(commit.plan)
    this.#countWaiting(commit)
  }

  /**
   * The node took the heads when its clock had passed the due time, which was not before that time less what its clock
   * was ever ahead; what was committed until then lay below those heads. Later records may have come between the heads
   * and the batch.
   */
  #checkFired({ plan, firsts, aheadMs }: Committed): void {
    const placeOf = ({ source, topic, partition }: Plan['appends'][number]) => `${source}/${topic}/${partition}`
    // What the commit itself appends, such as what the timer asks for, nobody could have read before it.
    const own = new Map(plan.appends.map((append, at) => [placeOf(append), firsts[at] ?? 0]))
    for (const { table, mode, rows } of plan.writes) {
      if (table.name !== 'timers' || mode !== 'delete') continue
      for (const [due, partition, name, key] of rows) {
        const timer = timerOf(table.schema, [due, partition, name, key])
        const unread = this.#unread(timer, aheadMs, own)
        if (unread !== undefined) this.#fail('timer too early', `${name} ${key} fired before ${unread} was read`)
      }
    }
  }

  /** @param ends where to look no further, by place */
  #unread(
    { group, partition, about, due }: StoredTimer,
    aheadMs: number,
    ends: ReadonlyMap<string, number> = new Map(),
  ): string | undefined {
    const { logs, cursors, isScaled } = this.#places
    for (const [place, log] of logs) {
      const isHeard = log[0] !== undefined && GROUP_TOPICS.get(group)?.has(log[0].topic) === true
      // Whatever is about its key may lie in several partitions once its topic was scaled.
      if (!isHeard || (!isScaled && log[0]?.partition !== partition)) continue
      const from = cursors.get(`${group} ${place}`) ?? 0
      const next = isScaled ? log.findIndex(({ key }, at) => at >= from && key === about) : from
      const record = log[next]
      if (record === undefined || next >= (ends.get(place) ?? Infinity)) continue
      if (record.committedAt <= due - aheadMs) return `${place}/${next}`
    }
    return undefined
  }

  #follow({ writes }: Plan): void {
    for (const { table, mode, rows } of writes) {
      if (table.name !== 'timers') continue
      for (const [due, partition, name, key] of rows) {
        const id = `${table.schema} ${due} ${partition} ${name} ${key}`
        if (mode === 'delete') this.#remove(id)
        else this.#add(id, timerOf(table.schema, [due, partition, name, key]))
      }
    }
  }

  #add(id: string, timer: StoredTimer): void {
    this.#timers.set(id, timer)
    this.#first = Math.min(this.#first, timer.due)
  }

  #remove(id: string): void {
    const timer = this.#timers.get(id)
    this.#timers.delete(id)
    if (timer?.due !== this.#first) return
    this.#first = Number.POSITIVE_INFINITY
    for (const { due } of this.#timers.values()) this.#first = Math.min(this.#first, due)
  }

  /** A timer that is due waits for what its group has not read yet. */
  #countWaiting({ aheadMs, committedAt }: Committed): void {
    if (committedAt - aheadMs < this.#first) return
    for (const timer of this.#timers.values()) {
      const isDue = timer.due <= committedAt - aheadMs
      if (isDue && this.#unread(timer, aheadMs) !== undefined) this.#rare.hit('timer waited for unread records')
    }
  }
}
