// Orders out of a file with one JSON body of POST /v1/orders a line (NDJSON), each with its reference.
import { ImportFileError, textOf } from './csv.ts'

/** A line longer than the server takes a body is none of an order; an unbroken file must not fill the memory. */
const MAX_LINE_CHARACTERS = 1024 * 1024

export const lineFaults = ['no JSON', 'no object', 'no reference', 'bad encoding'] as const
export type LineFault = (typeof lineFaults)[number]

export interface OrderBody {
  readonly reference: string
  readonly [field: string]: unknown
}

/** Each line that holds anything: an order, or what is wrong with it. @throws {ImportFileError} */
export async function* readOrderLines(path: string): AsyncGenerator<OrderBody | LineFault> {
  for await (const line of linesOf(path)) {
    const text = line.trim()
    if (text !== '') yield orderOf(text)
  }
}

async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of textOf(path)) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
    if (rest.length > MAX_LINE_CHARACTERS) {
      throw new ImportFileError(`${path} has a line of more than 1 MB; write one order a line and try again.`)
    }
  }
  yield rest
}

function orderOf(text: string): OrderBody | LineFault {
  if (text.includes('\uFFFD')) return 'bad encoding'
  const value = parsed(text)
  if (value === undefined) return 'no JSON'
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'no object'
  const { reference } = value as { readonly reference?: unknown }
  if (typeof reference !== 'string' || reference.trim() === '') return 'no reference'
  return value as OrderBody
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** Whether the file is NDJSON: its first character that is no blank opens an object. @throws {ImportFileError} */
export async function isOrderLines(path: string): Promise<boolean> {
  for await (const chunk of textOf(path)) {
    const [first] = chunk.trimStart()
    if (first !== undefined) return first === '{'
  }
  return false
}
