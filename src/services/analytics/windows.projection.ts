// Tumbling windows of five minutes over what happened, as partial rows that are summed when they are read.
import type { ProjectionRow, ProjectionValue, RecordFacts } from '../../kernel/projection.ts'
import { projection } from '../../kernel/projection.ts'
import { GRACE_MS, WINDOW_MS } from './contract.ts'
import type { Addition, Count, Counts } from './window-counts.ts'
import { COUNTS, additionOf, allEvents } from './window-counts.ts'

/** The row that counts everything since the beginning: a level is read from it, not summed over all time. */
export const ALL_TIME = 0

export function windowStartOf(atMs: number): number {
  return Math.floor(atMs / WINDOW_MS) * WINDOW_MS
}

export function isLate(happenedAt: number, appendedAt: number): boolean {
  return appendedAt > windowStartOf(happenedAt) + WINDOW_MS + GRACE_MS
}

const nothing = Object.fromEntries(COUNTS.map((count) => [count, 0])) as Counts
const countColumns = Object.fromEntries(COUNTS.map((count) => [count, 'integer'])) as Readonly<Record<Count, 'integer'>>

type KeyOf = (data: unknown, facts: RecordFacts) => readonly [number, string, number, string]

/**
 * A row belongs to one partition of one topic, so no two owners write one row, and no order between topics matters.
 * Currency is empty where an event has none.
 */
export const windows = projection('windows', {
  key: ['window_start', 'topic', 'partition', 'currency'],
  columns: { window_start: 'integer', topic: 'text', partition: 'integer', currency: 'text', ...countColumns },
  folds: () =>
    allEvents.flatMap((event) => {
      const keyIn =
        (startOf: (facts: RecordFacts) => number): KeyOf =>
        (data, facts) => [startOf(facts), facts.topic, facts.partition, additionOf(event, data).currency ?? '']
      const foldInto = (keyOf: KeyOf) => ({
        event,
        keyOf,
        fold: (row: ProjectionRow | undefined, data: unknown, facts: RecordFacts): ProjectionRow =>
          counted(row ?? emptyRow(keyOf(data, facts)), additionOf(event, data), facts),
      })
      return [foldInto(keyIn(({ appendedAt }) => windowStartOf(appendedAt))), foldInto(keyIn(() => ALL_TIME))]
    }),
})

function emptyRow([window_start, topic, partition, currency]: ReturnType<KeyOf>): ProjectionRow {
  return { window_start, topic, partition, currency, ...nothing }
}

function counted(row: ProjectionRow, { counts, happenedAt }: Addition, { appendedAt }: RecordFacts): ProjectionRow {
  // Every event of every service comes through here, twice: a copy and a few additions, nothing else.
  const next: Record<string, ProjectionValue> = { ...row }
  next['events'] = Number(next['events']) + 1
  for (const [count, by] of counts) next[count] = Number(next[count]) + by
  if (happenedAt !== undefined && isLate(happenedAt, appendedAt)) next['late'] = Number(next['late']) + 1
  return next
}
