// Cursor pages: how a list is asked for over HTTP, and how it is answered.
import { z } from 'zod'

const DEFAULT_PAGE_SIZE = 50
const MAX_PAGE_SIZE = 500
/** Longer than any key; decoding garbage must stay cheap. */
const MAX_CURSOR_LENGTH = 1000

/** The key of a row in the order of its list. */
export type PageKey = readonly (string | number)[]
export type KeyPartType = 'string' | 'number'

/** One page of a list; `next` goes into `?after=` for the page behind it, and is null on the last one. */
export interface Page<Item> {
  readonly items: readonly Item[]
  readonly next: string | null
}

/** A key as an opaque text that fits into an address. */
export function encodeCursor(key: PageKey): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url')
}

/** @returns undefined when the text is no cursor that `encodeCursor` made. */
export function decodeCursor(cursor: string): PageKey | undefined {
  if (cursor === '' || cursor.length > MAX_CURSOR_LENGTH) return undefined
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    const isKey = Array.isArray(key) && key.every(isKeyPart)
    return isKey && encodeCursor(key) === cursor ? key : undefined
  } catch {
    return undefined
  }
}

function isKeyPart(part: unknown): part is string | number {
  if (typeof part === 'number') return true
  return typeof part === 'string' && part.isWellFormed() && !part.includes('\u0000')
}

/** The fields of a list's query: `after`, decoded to a key of these types, and `limit`. */
export function pageQuery(types: readonly KeyPartType[]) {
  const after = z.string().transform((cursor, context): PageKey => {
    const key = decodeCursor(cursor)
    if (key?.length === types.length && key.every((part, index) => typeof part === types[index])) return key
    context.addIssue({ code: 'custom', message: 'is no cursor of this list: take it from the answer of a page' })
    return z.NEVER
  })
  return {
    after: after.optional(),
    limit: z.coerce.number().int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE),
  }
}

/** The shape of a page in a route's answers. */
export function pageShape<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: z.string().nullable() })
}

/** Cuts a page out of rows that were read with `LIMIT limit + 1`: the one too many tells that another page follows. */
export function cutPage<Item>(rows: readonly Item[], limit: number, keyOf: (item: Item) => PageKey): Page<Item> {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, next: rows.length > limit && last !== undefined ? encodeCursor(keyOf(last)) : null }
}
