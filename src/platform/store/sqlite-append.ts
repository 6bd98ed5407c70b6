// The end of a commit on SQLite: all heads of a source move by one statement, and one writes its rows of the log.
import type { StatementSync } from 'node:sqlite'
import type { Append } from '../ports.ts'
import { Conflict } from '../ports.ts'
import { CHUNK_SIZES, sqliteName } from './sqlite-statements.ts'

/** What the store knows of itself. */
export interface AppendContext {
  readonly statement: (sql: string) => StatementSync
  readonly positionOf: (topic: string, partition: number, sequence: number) => number
  readonly appendedAt: number
  readonly transaction: number
}

/** Where an append has come to lie. */
interface Placed {
  readonly append: Append
  readonly first: number
  readonly appendedAt: number
}

/**
 * The first sequence of each append, in their order.
 *
 * One statement a head and one a row were 108 a batch: two thirds of all statements with 64 callers.
 *
 * @throws {Conflict} when a head moved, or is of another generation or incarnation.
 */
export function appendAll(context: AppendContext, appends: readonly Append[]): readonly number[] {
  const firsts = new Map<Append, number>()
  for (const [source, ofSource] of Map.groupBy(appends, ({ source }) => source)) {
    for (const chunk of chunksOf(ofSource)) {
      const placed = moveHeads(context, source, chunk)
      writeRows(context, source, placed)
      for (const { append, first } of placed) firsts.set(append, first)
    }
  }
  return appends.map((append) => firsts.get(append) as number)
}

/** Few sizes, so that few statements are prepared. */
function* chunksOf(appends: readonly Append[]): Generator<readonly Append[]> {
  let from = 0
  for (const size of CHUNK_SIZES) {
    for (; appends.length - from >= size; from += size) yield appends.slice(from, from + size)
  }
}

function moveHeads(
  { statement, appendedAt }: AppendContext,
  source: string,
  appends: readonly Append[],
): readonly Placed[] {
  const values = appends.flatMap(({ topic, partition, generation, incarnation, count }) => {
    return [topic, partition, generation, incarnation, count]
  })
  const moved = statement(headsStatement(source, appends.length)).all(appendedAt, ...values)
  const heads = new Map(
    (moved as unknown as [string, number, number, number][]).map(([topic, partition, next, at]) => {
      return [`${topic}/${partition}`, { next, at }]
    }),
  )
  return appends.map((append) => {
    const { topic, partition, count, expected } = append
    const head = heads.get(`${topic}/${partition}`)
    if (head === undefined) throw headError(statement, append)
    const first = head.next - count
    if (expected !== undefined && expected !== first)
      throw new Conflict(`the head of ${source}/${topic}/${partition} moved`)
    return { append, first, appendedAt: head.at }
  })
}

function writeRows({ statement, positionOf, transaction }: AppendContext, source: string, placed: readonly Placed[]) {
  const rows = placed.flatMap(({ append, first, appendedAt }) => {
    const { topic, partition, generation, incarnation, count, body } = append
    const last = first + count - 1
    const position = positionOf(topic, partition, last)
    return [position, topic, partition, generation, incarnation, first, last, appendedAt, transaction, body]
  })
  statement(logStatement(source, placed.length)).run(...rows)
}

function headsStatement(source: string, count: number): string {
  return `UPDATE ${sqliteName(source, 'heads')} AS h
    SET next = h.next + w.column5, appended_at = max(h.appended_at, ?)
    FROM (VALUES ${Array(count).fill('(?, ?, ?, ?, ?)').join(', ')}) AS w
    WHERE h.topic = w.column1 AND h.partition = w.column2 AND h.generation = w.column3 AND h.incarnation = w.column4
    RETURNING topic, partition, next, appended_at`
}

function logStatement(source: string, count: number): string {
  const row = `(${Array(10).fill('?').join(', ')})`
  return `INSERT INTO ${sqliteName(source, 'log')} VALUES ${Array(count).fill(row).join(', ')}`
}

/** Heads are made by declaration alone, so a missing one is a mistake that running again does not mend. */
function headError(statement: AppendContext['statement'], { source, topic, partition }: Append): Error {
  const sql = `SELECT 1 FROM ${sqliteName(source, 'heads')} WHERE topic = ? AND partition = ?`
  const known = statement(sql).all(topic, partition).length > 0
  const head = `${source}/${topic}/${partition}`
  if (known) return new Conflict(`the head of ${head} is of another generation or incarnation`)
  return new Error(`The topic or partition ${head} was never declared in this database.`)
}
