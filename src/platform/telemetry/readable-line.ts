// Turns a JSON line of the log into one for people: `12:00:01.123 WARN  A partition was paused. topic=orders.events`.

interface Line {
  readonly time: string
  readonly level: string
  readonly message?: string
  readonly error?: { readonly name: string; readonly code?: string; readonly message?: string; readonly at: string[] }
  readonly [field: string]: unknown
}

const LEVEL_WIDTH = 5
const TIME_OF_DAY = { from: 'YYYY-MM-DDT'.length, to: 'YYYY-MM-DDThh:mm:ss.sss'.length }

/** @throws {SyntaxError} when the line is no JSON, which a line of our own log always is. */
export function readableLine(json: string): string {
  const { time, level, message = '', error, ...fields } = JSON.parse(json) as Line
  const at = time.slice(TIME_OF_DAY.from, TIME_OF_DAY.to)
  const facts = Object.entries(fields).map(([name, value]) => `${name}=${shown(value)}`)
  const head = [at, level.toUpperCase().padEnd(LEVEL_WIDTH), message, ...facts].join(' ')
  if (error === undefined) return `${head}\n`
  const reason = [error.name, error.code, error.message].filter((part) => part !== undefined).join(' ')
  return [head, `    ${reason}`, ...error.at.map((frame) => `      at ${frame}`), ''].join('\n')
}

// What holds blanks or control characters is quoted, so that a value can't look like another field or line.
function shown(value: unknown): string {
  const plain = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[^\s"=\p{Cc}]+$/u.test(plain) ? plain : JSON.stringify(value)
}
