// Money: a bigint of minor units inside, a decimal string beside its currency in JSON; never a float, never an epsilon.
import type { CodeTable, RefusalDetails } from './refuse.ts'
import { Refusal } from './refuse.ts'

/** An amount in JSON: a decimal string with its currency's decimals: `"1059.97"` for EUR, `"1060"` for JPY. */
export type Amount = string

// ISO 4217, table A.1 of its maintenance agency (SIX) as of January 2026: every active code that has a minor unit.
// Metals, SDR, XTS and XXX have none, so nothing can be priced in them. The table is our own because Intl follows habit
// and not ISO: in Node 24 it has no decimals for 16 of these, HUF and IQD among them.
const CODES_BY_EXPONENT: Readonly<Record<number, string>> = {
  0: 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF',
  2:
    'AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY ' +
    'COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS ' +
    'INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR ' +
    'MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP ' +
    'STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG',
  3: 'BHD IQD JOD KWD LYD OMR TND',
  4: 'CLF UYW',
}

const EXPONENTS: ReadonlyMap<string, number> = new Map(
  Object.entries(CODES_BY_EXPONENT).flatMap(([exponent, codes]) =>
    codes.split(' ').map((code): [string, number] => [code, Number(exponent)]),
  ),
)

const POWERS_OF_TEN = [1, 10, 100, 1000, 10_000]
// A double carries any 15 digits there and back, so up to here the fast path through `number` is exact.
const MAX_EXACT_DIGITS = 15
// 18 digits of minor units fit the 64-bit integers of SQLite and PostgreSQL.
const MAX_DIGITS = 18
const MAX_QUOTED_LENGTH = 40

const ZERO = 48
const NINE = 57
const MINUS = 45
const POINT = 46

/** What can be wrong with an amount that comes from outside. */
export const moneyCodes = {
  CURRENCY_UNKNOWN: { status: 422, title: 'The currency is no active ISO 4217 code; use one such as EUR.' },
  AMOUNT_MALFORMED: { status: 422, title: 'The amount is no decimal number; write it like "1059.97".' },
  AMOUNT_TOO_PRECISE: { status: 422, title: 'The amount has more decimals than its currency; round it first.' },
  AMOUNT_TOO_LARGE: { status: 422, title: 'The amount has too many digits: 18 fit in a string, 15 in a number.' },
} as const satisfies CodeTable

export type MoneyCode = keyof typeof moneyCodes

/** A refusal whose message names the amount or currency at fault. */
export class MoneyError extends Refusal {
  declare readonly code: MoneyCode

  constructor(code: MoneyCode, details: RefusalDetails) {
    super(code, details)
    this.name = 'MoneyError'
    const facts = Object.entries(details).map(([name, value]) => `${name} ${String(value)}`)
    this.message = `${moneyCodes[code].title} (${facts.join(', ')})`
  }
}

/**
 * The number of decimals of a currency.
 *
 * @throws {MoneyError} CURRENCY_UNKNOWN
 * @example
 * exponentOf('KWD') // 3
 */
export function exponentOf(currency: string): number {
  const exponent = EXPONENTS.get(currency)
  if (exponent === undefined) throw new MoneyError('CURRENCY_UNKNOWN', { currency: quoted(currency) })
  return exponent
}

/** Whether a code is an active ISO 4217 currency with a minor unit, in capitals. */
export function isCurrency(currency: string): boolean {
  return EXPONENTS.has(currency)
}

/**
 * An amount in minor units. Fewer decimals than the currency has are filled up, more are refused even if they are
 * zeros: `"10.000"` EUR may be ten or ten thousand. A number counts as the shortest decimal that names it.
 *
 * @throws {MoneyError} CURRENCY_UNKNOWN, AMOUNT_MALFORMED, AMOUNT_TOO_PRECISE, AMOUNT_TOO_LARGE
 * @example
 * toMinor('1059.97', 'EUR') // 105997n
 */
export function toMinor(amount: Amount | number, currency: string): bigint {
  const exponent = exponentOf(currency)
  if (typeof amount === 'number') return minorOfNumber(amount, currency, exponent)
  const length = amount.length
  const start = amount.charCodeAt(0) === MINUS ? 1 : 0
  let point = -1
  let digits = 0
  for (let index = start; index < length; index++) {
    const code = amount.charCodeAt(index)
    if (code >= ZERO && code <= NINE) digits = digits * 10 + (code - ZERO)
    else if (code === POINT && point === -1) point = index
    else throw malformed(amount)
  }
  const decimals = point === -1 ? 0 : length - point - 1
  if (point === -1 ? length === start : point === start || decimals === 0) throw malformed(amount)
  if (decimals > exponent) throw tooPrecise(amount, currency)
  if (length - start + exponent - decimals > MAX_EXACT_DIGITS) return minorOfLongAmount(amount, exponent - decimals)
  const minor = digits * power(exponent - decimals)
  return BigInt(start === 1 ? -minor : minor)
}

/**
 * Minor units as a decimal string with exactly the currency's decimals.
 *
 * @throws {MoneyError} CURRENCY_UNKNOWN
 * @example
 * toAmount(105997n, 'EUR') // '1059.97'
 */
export function toAmount(minor: bigint, currency: string): Amount {
  const exponent = exponentOf(currency)
  const text = minor.toString()
  if (exponent === 0) return text
  if (minor < 0n) return `-${withPoint(text.slice(1), exponent)}`
  return withPoint(text, exponent)
}

/** The sum of minor units; zero for none. */
export function sumMinor(amounts: Iterable<bigint>): bigint {
  let sum = 0n
  for (const minor of amounts) sum += minor
  return sum
}

/**
 * A price times a whole quantity, exact.
 *
 * @throws {RangeError} when the quantity is no whole number.
 */
export function multiply(minor: bigint, quantity: number): bigint {
  return minor * BigInt(quantity)
}

/**
 * Splits a total in proportion to the weights, so that the parts add up to it to the last unit. Each part is rounded
 * towards zero; the units left over go to the largest remainders, and to the earlier part where remainders are equal
 * (the method of Hamilton). Only a total of zero can be split over weights that are all zero.
 *
 * @throws {RangeError} when a weight is negative, or nothing can take a total that is not zero.
 * @example
 * allocate(100n, [1n, 1n, 1n]) // [34n, 33n, 33n]
 */
export function allocate(totalMinor: bigint, weights: readonly bigint[]): bigint[] {
  if (weights.some((weight) => weight < 0n)) throw new RangeError('A weight is negative: weigh parts by zero or more.')
  const weightSum = sumMinor(weights)
  if (totalMinor === 0n) return weights.map(() => 0n)
  if (weightSum === 0n) throw new RangeError('Every weight is zero: there is no part that could take the total.')
  const sign = totalMinor < 0n ? -1n : 1n
  const total = totalMinor * sign
  const parts = weights.map((weight) => (total * weight) / weightSum)
  const leftOver = Number(total - sumMinor(parts))
  const byRemainder = weights
    .map((weight, position) => ({ position, remainder: (total * weight) % weightSum }))
    .toSorted((a, b) => (a.remainder === b.remainder ? a.position - b.position : a.remainder > b.remainder ? -1 : 1))
  for (const { position } of byRemainder.slice(0, leftOver)) parts[position] = (parts[position] ?? 0n) + 1n
  return parts.map((part) => part * sign)
}

// A scaled number counts only if dividing it back gives the very same double: 0.1 + 0.2 is no amount, 1059.97 is.
function minorOfNumber(amount: number, currency: string, exponent: number): bigint {
  if (!Number.isFinite(amount)) throw malformed(String(amount))
  const scale = power(exponent)
  const minor = Math.round(amount * scale)
  if (Math.abs(minor) >= 10 ** MAX_EXACT_DIGITS) throw tooLarge(String(amount))
  if (minor / scale !== amount) throw tooPrecise(String(amount), currency)
  return BigInt(minor)
}

function minorOfLongAmount(amount: Amount, missingDecimals: number): bigint {
  const digits = amount.replace('-', '').replace('.', '') + '0'.repeat(missingDecimals)
  if (digits.replace(/^0+/, '').length > MAX_DIGITS) throw tooLarge(amount)
  return amount.startsWith('-') ? -BigInt(digits) : BigInt(digits)
}

function withPoint(digits: string, exponent: number): string {
  const padded = digits.length > exponent ? digits : digits.padStart(exponent + 1, '0')
  const point = padded.length - exponent
  return `${padded.slice(0, point)}.${padded.slice(point)}`
}

function power(exponent: number): number {
  return POWERS_OF_TEN[exponent] ?? 10 ** exponent
}

function malformed(amount: string): MoneyError {
  return new MoneyError('AMOUNT_MALFORMED', { amount: quoted(amount) })
}

function tooPrecise(amount: string, currency: string): MoneyError {
  return new MoneyError('AMOUNT_TOO_PRECISE', { amount: quoted(amount), currency, decimals: exponentOf(currency) })
}

function tooLarge(amount: string): MoneyError {
  return new MoneyError('AMOUNT_TOO_LARGE', { amount: quoted(amount) })
}

// The text comes from outside and may be of any length.
function quoted(text: string): string {
  return text.length > MAX_QUOTED_LENGTH ? `${text.slice(0, MAX_QUOTED_LENGTH)}…` : text
}
