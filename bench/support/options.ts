// The options of a bench run: what to measure, on which stores, how long and how often.
import { parseArgs } from 'node:util'

export const DIALECTS = ['sqlite', 'postgres'] as const
export type Dialect = (typeof DIALECTS)[number]

export interface Options {
  /** Undefined lists the benches. */
  readonly name: string | undefined
  /** How long each run feeds orders. */
  readonly seconds: number
  /** Orders stored before the measuring, for the benches that ask for it; undefined takes the bench's own number. */
  readonly orders: number | undefined
  readonly runs: number
  readonly stores: readonly Dialect[]
  /** Profiles the measured processes into this folder, which slows them down by some 5 %. */
  readonly profile: string | undefined
  readonly json: boolean
  /** Writes the ratios to bench/baseline.json. */
  readonly record: boolean
}

const DEFAULT_SECONDS = 5
const DEFAULT_RUNS = 3

export const OPTIONS_HELP = [
  `--seconds N      how long each run feeds orders (${DEFAULT_SECONDS})`,
  '--orders N       orders stored beforehand: replay, start, growth',
  `--runs N         runs of each measurement, each between two runs of the reference (${DEFAULT_RUNS})`,
  '--stores LIST    sqlite, postgres or both, parted by a comma (growth: sqlite unless told)',
  '--profile FOLDER profiles the measured processes and lists their ten most expensive functions',
  '--json           the last line is one object {name, figures}',
  '--record         writes the figures to bench/baseline.json',
]

/** @throws with a sentence that says what is wrong. */
export function readOptions(argv: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      seconds: { type: 'string' },
      orders: { type: 'string' },
      runs: { type: 'string' },
      stores: { type: 'string' },
      profile: { type: 'string' },
      json: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
    },
  })
  const [name, ...others] = positionals
  if (others.length > 0) throw new Error(`One bench at a time, or all: ${others.join(' ')} is too much.`)
  const { profile, json, record } = values
  if (record && profile !== undefined) throw new Error('A profile slows the runs down: record them without.')
  return {
    name,
    seconds: wholeNumber('seconds', values.seconds) ?? DEFAULT_SECONDS,
    orders: wholeNumber('orders', values.orders),
    runs: wholeNumber('runs', values.runs) ?? DEFAULT_RUNS,
    stores: storesOf(values.stores, name === 'growth' ? 'sqlite' : DIALECTS.join(',')),
    profile,
    json,
    record,
  }
}

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new Error(`--${name} is ${text}: write a whole number above 0.`)
}

function storesOf(text: string | undefined, fallback: string): readonly Dialect[] {
  const names = (text ?? fallback).split(',')
  const known = DIALECTS.filter((dialect) => names.includes(dialect))
  if (known.length === names.length) return known
  throw new Error(`--stores is ${text}: write sqlite, postgres or sqlite,postgres.`)
}
