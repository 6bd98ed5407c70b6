// The log: JSON lines (or readable ones on a terminal) made of fixed sentences and an allowed list of fields.
import { pino, type DestinationStream } from 'pino'
import { describeError, type ErrorFacts } from './describe-error.ts'
import { readableLine } from './readable-line.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** `auto` is readable on a terminal and JSON everywhere else. */
export const LOG_FORMATS = ['auto', 'json', 'pretty'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

/**
 * Everything that a line may carry besides its sentence. A list of what is allowed and not of what is hidden: a field
 * that nobody thought of stays out of the log instead of in it. None of them may name a person.
 */
export const LOG_FIELDS = [
  // Where a message lies and what it belongs to.
  'topic',
  'partition',
  'sequence',
  'key',
  'group',
  'correlation',
  'orderId',
  'cause',
  // Who worked on it, and what came of it.
  'service',
  'handler',
  'saga',
  'projection',
  'effect',
  'part',
  'outcome',
  'attempt',
  'code',
  // Who asked over HTTP.
  'requestId',
  'traceparent',
  'method',
  'route',
  'status',
  'principal',
  'role',
  // How much and how long; where the process runs.
  'count',
  'limit',
  'lag',
  'durationMs',
  'delayMs',
  'url',
  'file',
  'store',
  'version',
  'signal',
  'member',
] as const

export type LogFields = {
  readonly [Name in (typeof LOG_FIELDS)[number]]?: string | number | boolean | undefined
} & { readonly error?: unknown }

/** The sentence is fixed and says what happened; what it is about goes into the fields. */
type Say = (sentence: string, fields?: LogFields) => void

export interface Logger {
  readonly debug: Say
  readonly info: Say
  readonly warn: Say
  readonly error: Say
  /** Whether a line of this level would be written: for callers whose fields cost something to make. */
  readonly writes: (level: Exclude<LogLevel, 'silent'>) => boolean
}

export interface LoggerOptions {
  readonly level: LogLevel
  readonly format: LogFormat
  /** Where lines go; standard error unless told, so that reports on standard output stay clean. */
  readonly destination?: DestinationStream
}

const MAX_VALUE_LENGTH = 200
const STANDARD_ERROR = 2

/**
 * Opens a log.
 *
 * @example
 * createLogger({ level: 'info', format: 'auto' }).info('A partition was paused.', { topic, partition, error })
 */
export function createLogger({ level, format, destination }: LoggerOptions): Logger {
  const readable = format === 'pretty' || (format === 'auto' && process.stderr.isTTY)
  // Synchronous: what a crash leaves behind is the reason for having a log.
  const stream = destination ?? pino.destination({ dest: STANDARD_ERROR, sync: true })
  const lines = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    readable ? { write: (line) => stream.write(readableLine(line)) } : stream,
  )
  const say = (at: Exclude<LogLevel, 'silent'>): Say =>
    function write(sentence, fields) {
      if (lines.isLevelEnabled(at)) lines[at](fields === undefined ? {} : allowedOf(fields), sentence)
    }
  return {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    writes: (at) => lines.isLevelEnabled(at),
  }
}

type Told = Record<string, string | number | boolean | ErrorFacts>

// The types let nothing else in, but a spread object may carry more than its type says.
function allowedOf(fields: LogFields): Told {
  const told: Told = {}
  for (const name of LOG_FIELDS) {
    const value = fields[name]
    if (typeof value === 'string') told[name] = harmless(value)
    else if (typeof value === 'number' || typeof value === 'boolean') told[name] = value
  }
  if (fields.error !== undefined) told['error'] = describeError(fields.error)
  return told
}

// No id holds an @, so whatever does may be somebody's address, or a password in a connection string.
function harmless(value: string): string {
  return value.includes('@') ? '***' : value.slice(0, MAX_VALUE_LENGTH)
}
