// Which dead letters somebody means: the filter of lists and of redrive jobs, as a query and as SQL.
import { z } from 'zod'
import { text } from '../../kernel/shapes.ts'
import { millisecondsOf, momentInput } from '../../kernel/inputs.ts'
import type { DeadLetterStatus } from '../parking/dead-letter.ts'
import type { Cell } from '../ports.ts'

export const LETTER_STATUSES = [
  'dead',
  'redriving',
  'redriven',
  'discarded',
  'edited',
] as const satisfies readonly DeadLetterStatus[]

/** Longer than any name of ours, and than any key. */
const MAX_NAME_LENGTH = 100
const MAX_KEY_LENGTH = 500

/** What the fields of a letter have to be; whatever is left out may be anything. */
export interface LetterFilter {
  readonly group?: string | undefined
  readonly handler?: string | undefined
  readonly topic?: string | undefined
  readonly type?: string | undefined
  readonly faultClass?: string | undefined
  readonly code?: string | undefined
  readonly key?: string | undefined
  readonly status?: DeadLetterStatus | undefined
  /** Milliseconds since the epoch, included. */
  readonly diedAfter?: number | undefined
  /** Milliseconds since the epoch, not included. */
  readonly diedBefore?: number | undefined
}

/** The fields of a filter in a body or a query. */
export const filterInput = {
  group: text(MAX_NAME_LENGTH).optional().describe('The consumer group that gave it up, such as payments.'),
  handler: text(MAX_NAME_LENGTH).optional(),
  topic: text(MAX_NAME_LENGTH).optional(),
  type: text(MAX_NAME_LENGTH).optional().describe('The type of the message, such as CapturePayment.'),
  code: text(MAX_NAME_LENGTH).optional().describe("The error's code, else its name, such as TypeError."),
  key: text(MAX_KEY_LENGTH).optional().describe('The key of the message, such as the id of an order.'),
  diedAfter: momentInput.optional(),
  diedBefore: momentInput.optional(),
}

type FilterInput = z.output<z.ZodObject<typeof filterInput>>

export function filterOf({ diedAfter, diedBefore, ...fields }: FilterInput): LetterFilter {
  return { ...fields, diedAfter: millisecondsOf(diedAfter), diedBefore: millisecondsOf(diedBefore) }
}

const COLUMNS = {
  group: 'consumer_group = ?',
  handler: 'handler = ?',
  topic: 'topic = ?',
  type: 'type = ?',
  faultClass: 'fault_class = ?',
  code: 'code = ?',
  key: 'key = ?',
  status: 'status = ?',
  diedAfter: 'died_at >= ?',
  diedBefore: 'died_at < ?',
} as const satisfies Record<keyof LetterFilter, string>

export interface Conditions {
  readonly where: string
  readonly values: readonly Cell[]
}

/** The filter as the WHERE of a statement, together with other conditions. */
export function conditionsOf(filter: LetterFilter, more: readonly (readonly [string, ...Cell[]])[] = []): Conditions {
  const asked = (Object.keys(COLUMNS) as (keyof LetterFilter)[]).flatMap((name): (readonly [string, ...Cell[]])[] => {
    const value = filter[name]
    return value === undefined ? [] : [[COLUMNS[name], value]]
  })
  const all = [...asked, ...more]
  if (all.length === 0) return { where: '', values: [] }
  return { where: `WHERE ${all.map(([sql]) => sql).join(' AND ')}`, values: all.flatMap(([, ...values]) => values) }
}
