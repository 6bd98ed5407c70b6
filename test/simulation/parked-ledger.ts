// What is set aside at present, by what commits wrote: records that a cursor passed without their being handled.
import type { Cell, Plan, Row, Table } from '../../src/platform/ports.ts'

/** A record as its group's cursor knows it. */
export interface Aside {
  readonly group: string
  /** `source/topic/partition`. */
  readonly place: string
  readonly sequence: number
}

/** What one commit changed. */
export interface AsideChanges {
  /** Names of records that joined a queue, or died. */
  readonly set: ReadonlySet<string>
  /** Records that left their queue alive: handled after all. */
  readonly left: readonly Aside[]
}

/** A dead letter that waits for a person. */
export interface Dead extends Aside {
  readonly service: string
  readonly id: string
  readonly type: string
}

const NOTHING: AsideChanges = { set: new Set(), left: [] }

/** Where a record lies, in rows of parked messages and of dead letters. */
const PARKED_AT = 4
const LETTER_AT = 6
/** How a dead letter's row begins: id, version, group. */
const LETTER_GROUP = 2

export function asideName({ group, place, sequence }: Aside): string {
  return `${group} ${place}/${sequence}`
}

export class ParkedLedger {
  /** By service and id. */
  readonly dead = new Map<string, Dead>()
  /** Records that were sent again by a person. */
  readonly redriven = new Set<string>()
  discarded = 0
  readonly #waiting = new Map<string, Aside>()

  /** How many records wait in queues. */
  get size(): number {
    return this.#waiting.size
  }

  take({ writes }: Plan): AsideChanges {
    const own = writes.filter(({ table: { name } }) => name === 'parked' || name === 'dead_letters')
    if (own.length === 0) return NOTHING
    const set = new Set<string>()
    const left: Aside[] = []
    for (const { table, mode, rows } of own) {
      for (const row of rows) {
        if (table.name === 'dead_letters') this.#decide(table, row, set)
        else if (mode === 'delete') left.push(...this.#leave(keyOf(row)))
        else if (mode === 'insert') set.add(asideName(this.#join(row)))
      }
    }
    return { set, left: left.filter((one) => !set.has(asideName(one))) }
  }

  #decide(table: Table, row: Row, set: Set<string>): void {
    const cell = (name: string) => row[table.columns.findIndex((column) => column.name === name)]
    const aside = asideIn(row, row[LETTER_GROUP], LETTER_AT)
    const id = String(row[0])
    const name = `${table.schema} ${id}`
    this.dead.delete(name)
    const status = cell('status')
    if (status === 'dead') {
      set.add(asideName(aside))
      this.dead.set(name, { ...aside, service: table.schema, id, type: String(cell('type')) })
    } else if (status === 'redriving') this.redriven.add(asideName(aside))
    else if (status === 'discarded') this.discarded += 1
  }

  #join(row: Row): Aside {
    const aside = asideIn(row, row[0], PARKED_AT)
    this.#waiting.set(keyOf(row), aside)
    return aside
  }

  #leave(key: string): Aside[] {
    const aside = this.#waiting.get(key)
    this.#waiting.delete(key)
    return aside === undefined ? [] : [aside]
  }
}

function asideIn(row: Row, group: Cell | undefined, at: number): Aside {
  const [topic, source, partition, , , sequence] = row.slice(at)
  return { group: String(group), place: `${source}/${topic}/${partition}`, sequence: Number(sequence) }
}

/** Group, name of the key, key, position. */
function keyOf([group, name, key, position]: Row): string {
  return `${group} ${name} ${key} ${position}`
}
