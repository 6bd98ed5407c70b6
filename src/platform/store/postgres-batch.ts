// One batch on PostgreSQL: its loads by key, and its commit as one burst whose answers are all checked.
import type { Append, Column, Locks, Plan, Row, Scaling, Table, Transaction, Write, WriteMode } from '../ports.ts'
import { Conflict } from '../ports.ts'
import type { Answer, Connection, Statement } from './postgres-connection.ts'
import { integerArray, textArray } from './postgres-arrays.ts'
import { asStoreError, commitError, mapped } from './postgres-errors.ts'
import { appendStatement, loadStatement, lockStatement, scaleStatement, writeStatement } from './postgres-statements.ts'

/**
 * Sessions are read-only outside of it, so nothing is ever written without its transaction. At a stricter level than
 * READ COMMITTED each update of a head that another moved would fail.
 */
export const BEGIN: Statement = { text: 'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE' }
export const COMMIT: Statement = { text: 'COMMIT' }
const ROLLBACK: Statement = { text: 'ROLLBACK' }

/** A batch that holds rows from its begin on; a process that stops in it loses the session, and so the rows. */
export class LockedTransaction implements Transaction {
  readonly #connection: Connection
  #open = true

  private constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Locks the rows that exist, in the order given, and takes over the connection. */
  static async begin(connection: Connection, locks: readonly Locks[]): Promise<Transaction> {
    const transaction = new LockedTransaction(connection)
    try {
      const statements = locks.map(({ table, keys }) => ({ text: lockText(table), values: keyArrays(table, keys) }))
      const failed = (await connection.burst([BEGIN, ...statements])).find(({ status }) => status === 'rejected')
      if (failed?.status === 'rejected') throw asStoreError(failed.reason)
      return transaction
    } catch (error) {
      await transaction.release()
      throw error
    }
  }

  load(table: Table, keys: readonly Row[]): Promise<readonly Row[]> {
    return load(this.#connection, table, keys)
  }

  async commit(plan: Plan): Promise<readonly number[]> {
    try {
      const firsts = await commit(this.#connection, plan, 'goes on')
      this.#end()
      return firsts
    } catch (error) {
      await this.release()
      throw error
    }
  }

  /** A plan that was refused before it was sent leaves the transaction open, so this always says ROLLBACK. */
  async release(): Promise<void> {
    if (!this.#open) return
    if (this.#connection.broken === undefined) await this.#connection.burst([ROLLBACK]).catch(() => undefined)
    this.#end()
  }

  #end(): void {
    this.#open = false
    this.#connection.release()
  }
}

export async function load(connection: Connection, table: Table, keys: readonly Row[]): Promise<readonly Row[]> {
  if (keys.length === 0) return []
  const { rows } = await mapped(connection.send({ text: loadText(table), values: keyArrays(table, keys) }))
  return rows
}

/** Sends everything up to COMMIT in one round trip and returns the first sequence of each append. */
export async function commit(
  connection: Connection,
  plan: Plan,
  transaction: 'begins' | 'goes on',
): Promise<readonly number[]> {
  const groups = appendsBySource(plan.appends)
  const begin = transaction === 'begins' ? [BEGIN] : []
  const scalings = (plan.scalings ?? []).map(scalingOf)
  const appends = groups.map((group) => appendOf(group, plan))
  const statements = [...begin, ...plan.writes.map(writeOf), ...appends, ...scalings, COMMIT]
  if (statements.length === begin.length + 1 && begin.length > 0) return []
  const values = committed(await connection.burst(statements))
  const end = values.length - 1 - scalings.length
  return firstsOf(groups, values.slice(end - groups.length, end), plan.appends.length)
}

function scalingOf({ source, topic, generation, from, to, incarnation }: Scaling): Statement {
  return { text: scaleStatement(source), values: [topic, generation, from, to, incarnation] }
}

/** The answers of a burst that ended with COMMIT, all of them checked. @throws as `commit` does. */
export function committed(answers: readonly PromiseSettledResult<Answer>[]): readonly Answer[] {
  const failedAt = answers.findIndex((answer) => answer.status === 'rejected')
  const failed = answers[failedAt]
  if (failed?.status === 'rejected') throw commitError(failed.reason, failedAt === answers.length - 1)
  const values = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  // After an error inside the transaction COMMIT succeeds, and says ROLLBACK (seen with pg's pipeline).
  if (values.at(-1)?.command !== 'COMMIT') throw new Conflict('PostgreSQL answered COMMIT with ROLLBACK')
  return values
}

function writeOf({ table, mode, rows, sets }: Write): Statement {
  const columns = mode === 'delete' ? table.columns.slice(0, table.keyWidth) : table.columns
  return {
    text: sets === undefined ? textsOf(table)[mode] : setText(table, mode, sets),
    values: columnArrays(columns, rows),
  }
}

/** The appends to one source, with their places in the plan. */
interface SourceAppends {
  readonly source: string
  readonly appends: readonly Append[]
  readonly places: readonly number[]
}

/** Sources, topics and partitions sorted: all transactions lock heads in this one order. */
function appendsBySource(appends: readonly Append[]): readonly SourceAppends[] {
  const places = [...appends.keys()].toSorted((a, b) => compareHeads(appends[a] as Append, appends[b] as Append))
  const bySource = Map.groupBy(places, (place) => (appends[place] as Append).source)
  return [...bySource].map(([source, places]) => {
    return { source, places, appends: places.map((place) => appends[place] as Append) }
  })
}

function compareHeads(a: Append, b: Append): number {
  if (a.source !== b.source) return a.source < b.source ? -1 : 1
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
  return a.partition - b.partition
}

const appendTexts = new Map<string, string>()

function appendOf({ source, appends }: SourceAppends, { appendedAt, transaction }: Plan): Statement {
  let text = appendTexts.get(source)
  if (text === undefined) appendTexts.set(source, (text = appendStatement(source)))
  const values = [
    textArray(appends.map(({ topic }) => topic)),
    integerArray(appends.map(({ partition }) => partition)),
    integerArray(appends.map(({ generation }) => generation)),
    integerArray(appends.map(({ incarnation }) => incarnation)),
    integerArray(appends.map(({ expected = null }) => expected)),
    integerArray(appends.map(({ count }) => count)),
    textArray(appends.map(({ body }) => body)),
    appendedAt,
    transaction,
  ]
  return { text, values }
}

function firstsOf(groups: readonly SourceAppends[], answers: readonly Answer[], count: number): readonly number[] {
  const firsts: number[] = Array<number>(count).fill(0)
  for (const [at, { places }] of groups.entries()) {
    const numbers = String(answers[at]?.rows[0]?.[0]).split(',')
    for (const [index, place] of places.entries()) firsts[place] = Number(numbers[index])
  }
  return firsts
}

type Texts = Record<Write['mode'] | 'load' | 'lock', string>

const texts = new WeakMap<Table, Texts>()

/** The statements of a table, built once. */
function textsOf(table: Table): Texts {
  let known = texts.get(table)
  if (known === undefined) {
    known = {
      versioned: table.columns.some(({ name }) => name === 'version') ? writeStatement(table, 'versioned') : '',
      insert: writeStatement(table, 'insert'),
      upsert: writeStatement(table, 'upsert'),
      delete: writeStatement(table, 'delete'),
      load: loadStatement(table),
      lock: lockStatement(table),
    }
    texts.set(table, known)
  }
  return known
}

const setTexts = new WeakMap<Table, Map<string, string>>()

/** The statement that sets these columns only, built once. */
function setText(table: Table, mode: WriteMode, sets: readonly string[]): string {
  let known = setTexts.get(table)
  if (known === undefined) setTexts.set(table, (known = new Map<string, string>()))
  const name = `${mode} ${sets.join(' ')}`
  let text = known.get(name)
  if (text === undefined) known.set(name, (text = writeStatement(table, mode, sets)))
  return text
}

function loadText(table: Table): string {
  return textsOf(table).load
}

function lockText(table: Table): string {
  return textsOf(table).lock
}

function keyArrays(table: Table, keys: readonly Row[]): Buffer[] {
  return columnArrays(table.columns.slice(0, table.keyWidth), keys)
}

/** The n-th column of all rows as one array. */
function columnArrays(columns: readonly Column[], rows: readonly Row[]): Buffer[] {
  return columns.map(({ type }, at) => {
    const cells = rows.map((row) => row[at] ?? null)
    return type === 'text' ? textArray(cells) : integerArray(cells)
  })
}
