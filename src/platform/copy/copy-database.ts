// Moves a shop from a SQLite file to PostgreSQL: copies, compares, seals the file, and only then opens the new home.
import { hostname } from 'node:os'
import type { Clock, Row, Table, Write } from '../ports.ts'
import { Conflict } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import { chunksOf } from './chunks.ts'
import { compareTable } from './compare.ts'
import { CopyError, CopyStopped, readMoves, writeMove, type Move } from './moves.ts'
import { openSource, type CopySource } from './source.ts'
import { fill, movesIn, openTarget, prepareTarget, type CopyTarget } from './target.ts'

export interface CopyPlan {
  /** The path of the SQLite file. */
  readonly from: string
  /** The address of the PostgreSQL database. */
  readonly to: string
  readonly registry: Registry
  readonly clock: Clock
  readonly progress: (text: string) => void
  /** Ends the copy between two pieces, as long as the file is not sealed. */
  readonly signal?: AbortSignal
}

/** The rows of a table, which are the same on both sides. */
export interface CopiedRows {
  readonly table: string
  readonly rows: number
}

export interface CopyReport {
  readonly from: string
  readonly to: string
  /** False where an earlier run had copied all, and there was nothing to do but to note it. */
  readonly copied: boolean
  readonly tables: readonly CopiedRows[]
}

/**
 * The file is sealed after the last row was compared, and the target opened after that; a target that was not told so
 * any more opens itself (`requireHome`). Whatever ends this, one of the two starts, and never both.
 *
 * @throws {CopyError} {StoreInUse} {StoreUnavailable} {Conflict}
 */
export async function copyDatabase(plan: CopyPlan): Promise<CopyReport> {
  const source = await openSource(plan.from, plan.registry)
  try {
    const target = await openTarget(plan.to)
    try {
      return await new Copy(plan, source, target).run()
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

class Copy {
  readonly #plan: CopyPlan
  readonly #source: CopySource
  readonly #target: CopyTarget
  #total = 0
  #done = 0

  constructor(plan: CopyPlan, source: CopySource, target: CopyTarget) {
    this.#plan = plan
    this.#source = source
    this.#target = target
  }

  async run(): Promise<CopyReport> {
    const { left } = this.#source
    if (left !== undefined) return this.#finish(left)
    const { tables, logs } = this.#source.copied
    const counts = [...tables, ...logs].map((table) => ({ table, rows: this.#source.rows.count(table) }))
    this.#total = counts.reduce((sum, { rows }) => sum + rows, 0)
    let move = await prepareTarget(this.#target, this.#source, this.#plan.clock.now())
    try {
      for (const table of tables) move = await this.#copyTable(move, table)
      move = await this.#copyLogs(move, logs)
      await this.#compare(counts)
    } catch (error) {
      throw error instanceof Conflict ? await overtaken(error, this.#target, move) : error
    }
    await this.#handOver(move)
    return this.#report(
      true,
      counts.map(({ table, rows }) => ({ table: nameOf(table), rows })),
    )
  }

  async #copyTable(begun: Move, table: Table): Promise<Move> {
    let move = begun
    const mode = table.name === 'heads' ? 'upsert' : 'insert'
    for (const rows of chunksOf(this.#source.rows.rowsOf(table))) {
      move = await this.#fill(move, [{ table, mode, rows }], rows.length)
    }
    return move
  }

  /**
   * A transaction that wrote to several logs stays one: the relay to Kafka knows transactions by PostgreSQL's number of
   * them, and ships each as a whole.
   */
  async #copyLogs(begun: Move, logs: readonly Table[]): Promise<Move> {
    let move = begun
    const isSameTransaction = (row: Row, before: Row): boolean => row[1] === before[1]
    for (const rows of chunksOf(this.#source.rows.merged(logs), isSameTransaction)) {
      const byLog = Map.groupBy(rows, ([number]) => Number(number))
      const writes = [...byLog].flatMap(([number, own]): Write[] => {
        const table = logs[number]
        return table === undefined ? [] : [{ table, mode: 'insert', rows: own.map(([, ...cells]) => cells) }]
      })
      move = await this.#fill(move, writes, rows.length)
    }
    return move
  }

  async #fill(move: Move, writes: readonly Write[], rows: number): Promise<Move> {
    this.#goOn()
    const next = await fill(this.#target, move, writes)
    this.#done += rows
    this.#tell('copied')
    return next
  }

  async #compare(counts: readonly { readonly table: Table; readonly rows: number }[]): Promise<void> {
    const { store, database } = this.#target
    this.#plan.progress('gathering statistics')
    await database.analyze(this.#source.copied.schemas.map(({ schema }) => schema))
    this.#done = 0
    for (const { table, rows } of counts) {
      const compared = await compareTable(this.#source.rows.rowsOf(table), { store, table }, (count) => {
        this.#goOn()
        this.#done += count
        this.#tell('compared')
      })
      if (compared !== rows) throw new CopyError(`Of ${rows} rows of ${nameOf(table)} there are ${compared} now.`)
    }
  }

  /** From here on nothing is broken off: each step is one commit, and any of them may be the last. */
  async #handOver(move: Move): Promise<void> {
    const { clock } = this.#plan
    const { store } = this.#source
    this.#goOn()
    const whole = await writeMove(this.#target.store, move, 'whole', clock.now())
    const seal: Move = { ...whole, version: 0, other: this.#target.name, host: hostname() }
    await writeMove(store, seal, 'left', clock.now())
    await writeMove(this.#target.store, whole, 'here', clock.now())
  }

  /** An earlier run was ended after it had sealed the file. @throws {CopyError} where the shop left for elsewhere. */
  async #finish(left: Move): Promise<CopyReport> {
    const move = (await movesIn(this.#target)).find(({ id }) => id === left.id)
    if (move === undefined) {
      const since = new Date(left.at).toISOString()
      throw new CopyError(
        `The shop in ${this.#source.name} lives in ${left.other} since ${since}: a second copy would be a second ` +
          'shop with the same past.',
      )
    }
    if (move.state === 'whole') await writeMove(this.#target.store, move, 'here', this.#plan.clock.now())
    return this.#report(false, [])
  }

  #report(copied: boolean, tables: readonly CopiedRows[]): CopyReport {
    return { from: this.#source.name, to: this.#target.name, copied, tables }
  }

  /** @throws {CopyStopped} */
  #goOn(): void {
    if (this.#plan.signal?.aborted !== true) return
    throw new CopyStopped(
      `Stopped: nothing was moved, and ${this.#source.name} can be served as before. The same command copies from ` +
        'the start.',
    )
  }

  #tell(what: string): void {
    const share = this.#total === 0 ? 100 : Math.floor((100 * this.#done) / this.#total)
    const [done, total] = [this.#done.toLocaleString('en'), this.#total.toLocaleString('en')]
    this.#plan.progress(`${done} of ${total} rows ${what} (${share} %)`)
  }
}

/** Another copy emptied the target in the meantime; any other conflict means that somebody else writes there. */
async function overtaken(error: Conflict, target: CopyTarget, { id }: Move): Promise<Error> {
  const isOurs = (await readMoves(target.store).catch(() => [])).some((move) => move.id === id)
  if (isOurs)
    return new CopyError(`Something else writes to ${target.name}, so the copy was given up: ${error.message}`)
  return new CopyError(`Another copy into ${target.name} has begun, so this one was given up. Nothing was moved.`)
}

function nameOf({ schema, name }: Table): string {
  return `${schema}.${name}`
}
