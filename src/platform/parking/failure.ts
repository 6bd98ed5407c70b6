// What is kept of a fault: enough to find its cause and to group it with others, and nothing that names a person.
import type { FaultClass } from '../../kernel/fault.ts'
import { faultCodeOf } from '../../kernel/fault.ts'
import type { LogRecord } from '../log/record.ts'

export interface Failure {
  readonly faultClass: FaultClass
  /** The error's code, else its name: dead letters of one cause share it and the handler. */
  readonly code: string
  readonly message: string
  readonly stack: string
  readonly handler: string
}

/** The limit; some forty frames. */
const MAX_STACK_BYTES = 8192
const MAX_MESSAGE_LENGTH = 300
/** Shorter texts of a body ("EUR", a country) name nobody, and blanking them makes messages unreadable. */
const MIN_BLANKED_LENGTH = 4

/** @param told the record's own key and type may be told: they are in every list of dead letters anyway. */
export function failureOf(error: unknown, record: LogRecord, about: Pick<Failure, 'faultClass' | 'handler'>): Failure {
  const stack = error instanceof Error ? framesOf(error) : ''
  const message = error instanceof Error ? error.message : `something was thrown that is no error: ${typeof error}`
  return { ...about, code: faultCodeOf(error), message: withoutPersons(message, record), stack }
}

/** Blanks whatever the body says, mail addresses and long numbers; what code says by itself stays. */
function withoutPersons(message: string, { data, key, type }: LogRecord): string {
  const told = new Set([key, type])
  let text = message
  for (const value of textsOf(data)) if (!told.has(value)) text = text.replaceAll(value, '…')
  // What the store refused once, such as U+0000, must not make it refuse the message about it.
  return text
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, ' ')
    .replaceAll(/\S+@\S+/gu, '…')
    .replaceAll(/\+?\d[\d ()/-]{7,}\d/gu, (number) => (key.includes(number) ? number : '…'))
    .slice(0, MAX_MESSAGE_LENGTH)
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return value.length >= MIN_BLANKED_LENGTH ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(textsOf)
}

/** The places that it came through; the message before them may quote what it was given. */
function framesOf({ stack = '', message }: Error): string {
  const start = message === '' ? 0 : Math.max(0, stack.indexOf(message)) + message.length
  const frames = stack
    .slice(start)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at '))
  return Buffer.from(frames.join('\n'))
    .subarray(0, MAX_STACK_BYTES)
    .toString()
    .replace(/\uFFFD+$/u, '')
}
