// What bodies and queries take in: amounts as text or number, moments, texts that may be empty.
//
// Bodies and queries are strict objects: a field that a route does not know is refused by name, because a mistyped
// `quantitiy` or `?clientid=` that was quietly ignored would order the wrong thing or list everybody's orders.
import { z } from 'zod'
import { text } from './shapes.ts'

const MAX_AMOUNT_LENGTH = 24

/** An amount of zero or more as it comes in; `amountText` makes it the decimal string that contracts carry. */
export const amountInput = z
  .union([
    z
      .string()
      .max(MAX_AMOUNT_LENGTH)
      .regex(/^\d+(\.\d+)?$/, 'write it as a decimal such as "1059.97"'),
    z.number().min(0),
  ])
  .describe('A decimal string such as "1059.97", or a number.')
export type AmountInput = z.output<typeof amountInput>

/** The shortest decimal that names the number: what its sender wrote, unless he computed it in floats. */
export function amountText(amount: AmountInput): string
export function amountText(amount: AmountInput | undefined): string | undefined
export function amountText(amount: AmountInput | undefined): string | undefined {
  return amount === undefined ? undefined : String(amount)
}

/** A point in time with its offset, or a day, which begins at midnight UTC. */
export const momentInput = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()])
  .describe('An ISO 8601 time with its offset such as 2026-11-21T09:30:00Z, or a day such as 2026-11-21 (UTC).')

/** Milliseconds since the epoch. */
export function millisecondsOf(moment: string): number
export function millisecondsOf(moment: string | undefined): number | undefined
export function millisecondsOf(moment: string | undefined): number | undefined {
  return moment === undefined ? undefined : Date.parse(moment)
}

/** Milliseconds since the epoch as answers show them. */
export function momentOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

/** Text that may be empty. */
export function optionalText(maxLength: number) {
  return z.union([z.literal(''), text(maxLength)])
}

/** `If-Match` of a change: the version that the caller saw, from the ETag (`"3"` or `3`); undefined: whatever it is. */
export function versionOf(ifMatch: string | undefined): number | undefined {
  if (ifMatch === undefined || ifMatch === '*') return undefined
  const version = /^(?:W\/)?"?(\d{1,15})"?$/.exec(ifMatch.trim())?.[1]
  // No version of ours looks like that, so it can only be an old one.
  return version === undefined ? 0 : Number(version)
}

/** The header that `versionOf` reads back. */
export function etagOf(version: number): { readonly etag: string } {
  return { etag: `"${version}"` }
}
