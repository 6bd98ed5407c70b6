// What a log line tells of an error: enough to find the fault, and nothing that could name a person.

export interface ErrorFacts {
  readonly name: string
  readonly code?: string
  readonly message?: string
  readonly at: readonly string[]
}

const MAX_FRAMES = 8
const MAX_MESSAGE_LENGTH = 300

/**
 * Only these messages are told: the engine's own and our ports', which name things and not values. Those of mail
 * servers, databases and schema libraries quote what they were given ("550 no mailbox for ana@…").
 */
const TOLD = new Set([
  'TypeError',
  'ReferenceError',
  'RangeError',
  'StoreUnavailable',
  'StoreRefused',
  'CommitUnknown',
  'Conflict',
  'SchemaTooNew',
  'SchemaTooOld',
  'Overloaded',
])

/** Reduces anything thrown to its name, code, told message and the places in the code that it came through. */
export function describeError(error: unknown): ErrorFacts {
  if (!(error instanceof Error)) return { name: typeof error, at: [] }
  const { code } = error as { readonly code?: unknown }
  const message = toldMessage(error)
  return {
    name: isWord(error.name) ? error.name : 'Error',
    ...(isWord(code) && { code }),
    ...(message !== undefined && { message }),
    at: framesOf(error),
  }
}

// Codes such as ECONNREFUSED, 23505, SQLITE_FULL or ORDER_EMPTY.
function isWord(text: unknown): text is string {
  return typeof text === 'string' && /^\w{1,60}$/.test(text)
}

// Node's argument errors end in what they received: "… must be of type string. Received 'ana'".
function toldMessage({ name, message }: Error): string | undefined {
  if (!TOLD.has(name)) return undefined
  return message.split(' Received')[0]?.slice(0, MAX_MESSAGE_LENGTH)
}

// A stack begins with the message, which may run over several lines and even look like frames.
function framesOf({ stack = '', message }: Error): string[] {
  const start = message === '' ? 0 : stack.indexOf(message) + message.length
  const lines = stack.slice(start).split('\n')
  return lines
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at '))
    .slice(0, MAX_FRAMES)
    .map((line) => line.slice('at '.length))
}
