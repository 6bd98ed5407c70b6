// What is kept of a fault: enough to find its cause and to group it with others, and nothing that names a person.
import { z } from 'zod'
import type { FaultClass } from '../../kernel/fault.ts'
import { faultCodeOf } from '../../kernel/fault.ts'
import { isPersonal } from '../../kernel/message.ts'
import type { LogRecord } from '../log/record.ts'

export interface Failure {
  readonly faultClass: FaultClass
  /** The error's code, else its name: dead letters of one cause share it and the handler. */
  readonly code: string
  readonly message: string
  readonly stack: string
  readonly handler: string
}

/** The issue's limit; some forty frames. */
export const MAX_STACK_BYTES = 8192
const MAX_MESSAGE_LENGTH = 300
/** Shorter texts of a body ("EUR", a country) name nobody unless they are marked, and messages need them. */
const MIN_BLANKED_LENGTH = 4
/** Places at which a body is wrong that the message tells. */
const MAX_ISSUES = 5

interface About extends Pick<Failure, 'faultClass' | 'handler'> {
  /** Says which fields are personal; undefined where nobody knows the message's type. */
  readonly schema: z.ZodType | undefined
}

/** The record's own key and type may be told: they are in every list of dead letters anyway. */
export function failureOf(error: unknown, record: LogRecord, { schema, ...about }: About): Failure {
  const stack = error instanceof Error ? framesOf(error) : ''
  return {
    ...about,
    code: faultCodeOf(error),
    message: withoutPersons(saidBy(error), { ...record, marked: markedIn(record, schema) }),
    stack,
  }
}

function saidBy(error: unknown): string {
  // Its own message lists keys that the body should not have, and those may be anything.
  if (error instanceof z.ZodError) return error.issues.slice(0, MAX_ISSUES).map(placeOf).join('; ')
  return error instanceof Error ? error.message : `something was thrown that is no error: ${typeof error}`
}

function placeOf({ path, code }: z.core.$ZodIssue): string {
  return `${path.length === 0 ? 'the body' : path.map(String).join('.')}: ${code}`
}

function markedIn({ data }: LogRecord, schema: z.ZodType | undefined): readonly string[] {
  return schema === undefined ? [] : personalTexts(schema, data)
}

/** What a message may quote: a body, or a request. */
interface Quoted extends Pick<LogRecord, 'data' | 'key' | 'type'> {
  /** The texts in it that tell who a person is, also the short ones. */
  readonly marked: readonly string[]
}

/** Blanks whatever the body says, mail addresses and long numbers; what code says by itself stays. */
export function withoutPersons(message: string, { data, key, type, marked }: Quoted): string {
  const told = new Set([key, type])
  const short = marked.filter((value) => value !== '' && value.length < MIN_BLANKED_LENGTH)
  const long = textsOf(data).filter((value) => value.length >= MIN_BLANKED_LENGTH && !told.has(value))
  let text = message
  // Longest first: one value may be part of another.
  for (const value of long.flatMap(asWritten).toSorted((one, other) => other.length - one.length)) {
    text = text.replaceAll(value, '…')
  }
  // A short one is a word by itself, or half of all words would go.
  for (const value of short)
    text = text.replaceAll(new RegExp(`(?<!${LETTER})${literally(value)}(?!${LETTER})`, 'gu'), '…')
  // What the store refused once, such as U+0000, must not make it refuse the message about it.
  return text
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, ' ')
    .replaceAll(/\S+@\S+/gu, '…')
    .replaceAll(/\+?\d[\d ()/-]{7,}\d/gu, (number) => (key.includes(number) ? number : '…'))
    .slice(0, MAX_MESSAGE_LENGTH)
}

const LETTER = String.raw`[\p{L}\p{N}_]`

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`)
}

/** A text by itself, and as JSON quotes it. */
function asWritten(value: string): string[] {
  const quoted = JSON.stringify(value).slice(1, -1)
  return quoted === value ? [value] : [value, quoted]
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(textsOf)
}

/** The texts of those fields that `personal()` marks. */
function personalTexts(schema: z.ZodType, value: unknown): string[] {
  if (isPersonal(schema)) return textsOf(value)
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault) {
    return personalTexts(schema.unwrap() as z.ZodType, value)
  }
  if (schema instanceof z.ZodArray && Array.isArray(value)) {
    return value.flatMap((each) => personalTexts(schema.element as z.ZodType, each))
  }
  if (!(schema instanceof z.ZodObject) || typeof value !== 'object' || value === null) return []
  const fields = value as Readonly<Record<string, unknown>>
  return Object.entries(schema.shape).flatMap(([name, each]) => personalTexts(each as z.ZodType, fields[name]))
}

/** A line of V8's stack traces: a place in a file, in the engine, or of a promise. */
const FRAME = /^at .*(?::\d+:\d+\)?|\(native\)|\(<anonymous>\)|\(index \d+\))$/u

/** The places that it came through; the message before them may quote what it was given. */
function framesOf({ stack = '', message }: Error): string {
  const at = message === '' ? -1 : stack.indexOf(message)
  const start = at < 0 ? 0 : at + message.length
  const frames = stack
    .slice(start)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => FRAME.test(line))
  return Buffer.from(frames.join('\n'))
    .subarray(0, MAX_STACK_BYTES)
    .toString()
    .replace(/\uFFFD+$/u, '')
}
