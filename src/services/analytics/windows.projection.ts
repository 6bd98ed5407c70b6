// Tumbling windows of five minutes over what happened, as partial rows that are summed when they are read.
import type { MessageInfo } from '../../kernel/message.ts'
import type { CountFold } from '../../kernel/projection.ts'
import { projection } from '../../kernel/projection.ts'
import { GRACE_MS, WINDOW_MS } from './contract.ts'
import type { Count } from './window-counts.ts'
import { COUNTS, additionOf, allEvents, currencyOf } from './window-counts.ts'

/** The row that counts everything since the beginning: a level is read from it, not summed over all time. */
export const ALL_TIME = 0

export function windowStartOf(atMs: number): number {
  return Math.floor(atMs / WINDOW_MS) * WINDOW_MS
}

export function isLate(happenedAt: number, appendedAt: number): boolean {
  return appendedAt > windowStartOf(happenedAt) + WINDOW_MS + GRACE_MS
}

const EVENT = [['events', 1]] as const
const LATE = [['late', 1]] as const
const countColumns = Object.fromEntries(COUNTS.map((count) => [count, 'integer'])) as Readonly<Record<Count, 'integer'>>

/**
 * A row belongs to one partition of one topic, so no two owners write one row, and no order between topics matters.
 * Currency is empty where an event has none.
 */
export const windows = projection('windows', {
  key: ['window_start', 'topic', 'partition', 'currency'],
  columns: { window_start: 'integer', topic: 'text', partition: 'integer', currency: 'text', ...countColumns },
  folds: () => allEvents.map((event) => ({ event, keysOf: windowsOf(event), counts: countsOf(event) })),
})

/** Each event counts in its window, and in all time. */
function windowsOf(event: MessageInfo): CountFold['keysOf'] {
  return (data, { topic, partition, appendedAt }) => {
    const currency = currencyOf(event, data)
    return [
      [windowStartOf(appendedAt), topic, partition, currency],
      [ALL_TIME, topic, partition, currency],
    ]
  }
}

function countsOf(event: MessageInfo): CountFold['counts'] {
  return (data, { appendedAt }) => {
    const { counts, happenedAt } = additionOf(event, data)
    const late = happenedAt !== undefined && isLate(happenedAt, appendedAt) ? LATE : []
    return counts.length + late.length === 0 ? EVENT : [...EVENT, ...counts, ...late]
  }
}
