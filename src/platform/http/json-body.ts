// The body of a request: JSON in UTF-8 whose texts every database can keep, and its canonical form for comparisons.
import { isUtf8 } from 'node:buffer'
import { Problem, type Issue } from './problem.ts'

/** Deeper nesting is no order; without a limit a megabyte of brackets overflows the stack. */
const MAX_DEPTH = 64

// The only two ways in which JSON in valid UTF-8 can spell U+0000 or half a surrogate pair.
const SUSPICIOUS_ESCAPE = /\\u(?:0000|d[89a-f])/i

/**
 * Parses a body; nothing at all is no body.
 *
 * @throws {Problem} JSON_BROKEN, BODY_INVALID for texts that no database keeps
 */
export function parseJsonBody(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined
  if (!isUtf8(bytes)) throw new Problem('JSON_BROKEN', { detail: 'The body is not UTF-8. Encode it so.' })
  const text = bytes.toString('utf8')
  const body = parse(text)
  if (SUSPICIOUS_ESCAPE.test(text)) requireStorable(body)
  return body
}

// The engine's message quotes the text around the fault, which may name a person; its place is enough.
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    const place = / at position \d+(?: \(line \d+ column \d+\))?/.exec((error as Error).message)?.[0] ?? ''
    throw new Problem('JSON_BROKEN', { detail: `The body is no JSON${place}. Correct it and send it again.` })
  }
}

function requireStorable(body: unknown): void {
  const path = unstorablePath(body, '')
  if (path === undefined) return
  const message = 'holds U+0000 or half a character (a lone surrogate), which no database keeps'
  const issues: readonly Issue[] = [{ path, message }]
  throw new Problem('BODY_INVALID', { detail: `${path === '' ? 'The body' : path} ${message}.`, details: { issues } })
}

/** Where the first text lies that can't be stored; undefined when all can. */
function unstorablePath(value: unknown, path: string, depth = 0): string | undefined {
  if (typeof value === 'string') return isStorable(value) ? undefined : path
  if (typeof value !== 'object' || value === null) return undefined
  requireDepth(depth)
  for (const [name, inner] of Object.entries(value)) {
    if (!isStorable(name)) return path
    const found = unstorablePath(inner, path === '' ? name : `${path}.${name}`, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

function isStorable(text: string): boolean {
  return !text.includes('\u0000') && text.isWellFormed()
}

/**
 * The same text for the same JSON, whatever the order of its names and its white space.
 *
 * @throws {Problem} BODY_INVALID when it is nested too deeply
 * @example
 * canonicalJson({ b: 1, a: [true] }) // '{"a":[true],"b":1}'
 */
export function canonicalJson(value: unknown, depth = 0): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? ''
  requireDepth(depth)
  if (Array.isArray(value)) return `[${value.map((inner) => canonicalJson(inner, depth + 1)).join(',')}]`
  const entries = value as Readonly<Record<string, unknown>>
  const names = Object.keys(entries).toSorted()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(entries[name], depth + 1)}`).join(',')}}`
}

function requireDepth(depth: number): void {
  if (depth <= MAX_DEPTH) return
  throw new Problem('BODY_INVALID', { detail: `The body is nested more than ${MAX_DEPTH} levels deep.` })
}
