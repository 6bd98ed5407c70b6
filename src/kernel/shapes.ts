// The shapes that every contract shares: ids, text, amounts, quantities.
import { z } from 'zod'

/** No table of a supported database holds U+0000 or half a surrogate pair, so the door refuses them. */
const storable = (text: string): boolean => !text.includes('\u0000') && text.isWellFormed()

/** Text up to a length, trimmed, storable everywhere. */
export function text(maxLength: number): z.ZodType<string, string> {
  return z
    .string()
    .trim()
    .min(1)
    .max(maxLength)
    .refine(storable, 'holds U+0000 or half a character (a lone surrogate), which no database keeps')
}

/** In small letters, as keys compare by bytes. */
export const id = z.uuid().toLowerCase()

/** A stock keeping unit: the shop's own code, without white space. */
export const sku = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a SKU has 1 to 64 letters, digits, ., _ or -')

/** An ISO 4217 code; kernel/money.ts knows which exist. */
export const currency = z.string().regex(/^[A-Z]{3}$/, 'a currency is an ISO 4217 code such as EUR')

/** An amount inside events and documents: a decimal string, with its currency beside it. */
export const amount = z.string()

/** Pieces of one line; below 2^31 so that sums of an order stay exact everywhere. */
export const quantity = z
  .int()
  .min(1)
  .max(2 ** 31 - 1)

export const postalAddress = z.object({
  line1: text(200),
  line2: text(200).optional(),
  city: text(100),
  region: text(100).optional(),
  postalCode: text(20).optional(),
  country: z.string().regex(/^[A-Z]{2}$/, 'a country is an ISO 3166 code such as ES'),
})
export type PostalAddress = z.output<typeof postalAddress>
