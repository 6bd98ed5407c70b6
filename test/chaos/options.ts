// The options of a run of chaos: what is done to the shop, where, for how long, and from which seed.
import { parseArgs } from 'node:util'
import { tableOf } from '../../src/cli/terminal.ts'
import { DAMAGE_NAMES, type Damage } from './damage.ts'
import { FAULT_NAMES, faults, type FaultName } from './faults.ts'
import { DIALECTS, type Dialect } from './fleet.ts'

export interface Options {
  readonly help: boolean
  readonly seed: number
  /** On each store; undefined where the time limits the run. */
  readonly cycles: number | undefined
  readonly minutes: number | undefined
  readonly stores: readonly Dialect[]
  readonly faults: readonly FaultName[]
  readonly damages: readonly Damage[]
  readonly json: boolean
  /** Brokers of Kafka. */
  readonly nodes: 1 | 3
}

/** Two of each kind. */
const DEFAULT_CYCLES = 2 * FAULT_NAMES.length
const SEEDS = 1_000_000

export const HELP: readonly string[] = [
  'npm run chaos -- [OPTIONS]',
  '',
  'Starts the shipped program, lets buyers order, breaks things, and looks whether anything was lost or doubled.',
  '',
  ...tableOf([
    ['  --seed S', 'the same faults in the same order as in the run that printed it; any other one unless given'],
    ['  --cycles N', `faults on each store (${DEFAULT_CYCLES} unless --minutes is given)`],
    ['  --minutes M', 'goes on for so long, in stories that each begin with an empty database'],
    ['  --stores LIST', 'sqlite (one process), postgres (two), kafka (two, on PostgreSQL); the first two unless given'],
    ['  --kafka', 'the same as --stores kafka'],
    ['  --nodes N', 'brokers of Kafka, 1 or 3 (1)'],
    ['  --faults LIST', 'some of those below, parted by commas; all unless given'],
    ['  --damage LIST', `breaks promises on purpose, which have to be found: ${DAMAGE_NAMES.join(', ')}`],
    ['  --json', 'the last line is one object with all figures'],
  ]),
  '',
  ...tableOf(FAULT_NAMES.map((name) => [`  ${name}`, faults[name].stores.join(', '), faults[name].summary])),
  '',
  'Exit code 1: a promise was broken; the seed and the folder to look into are printed. 130: broken off with Ctrl-C.',
]

/** @throws with a sentence that says what is wrong. */
export function readOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      help: { type: 'boolean', default: false, short: 'h' },
      seed: { type: 'string' },
      cycles: { type: 'string' },
      minutes: { type: 'string' },
      stores: { type: 'string' },
      kafka: { type: 'boolean', default: false },
      nodes: { type: 'string', default: '1' },
      faults: { type: 'string' },
      damage: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const { help, json } = values
  const minutes = wholeNumber('minutes', values.minutes)
  const cycles = wholeNumber('cycles', values.cycles)
  if (minutes !== undefined && cycles !== undefined) throw new Error('Write --minutes or --cycles, not both.')
  return {
    help,
    seed: wholeNumber('seed', values.seed) ?? 1 + Math.floor(Math.random() * SEEDS),
    cycles: minutes === undefined ? (cycles ?? DEFAULT_CYCLES) : undefined,
    minutes,
    stores: values.kafka ? ['kafka'] : someOf('stores', values.stores ?? 'sqlite,postgres', DIALECTS),
    faults: someOf('faults', values.faults, FAULT_NAMES),
    damages: values.damage === undefined ? [] : someOf('damage', values.damage, DAMAGE_NAMES),
    json,
    nodes: nodesIn(values.nodes),
  }
}

function nodesIn(text: string): 1 | 3 {
  if (text === '1') return 1
  if (text === '3') return 3
  throw new Error(`--nodes is ${text}: write 1 or 3.`)
}

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new Error(`--${name} is ${text}: write a whole number above 0.`)
}

function someOf<Name extends string>(
  option: string,
  text: string | undefined,
  names: readonly Name[],
): readonly Name[] {
  if (text === undefined) return names
  const asked = text.split(',')
  const known = names.filter((name) => asked.includes(name))
  if (known.length === asked.length) return known
  const strange = asked.find((name) => !names.some((one) => one === name)) ?? text
  throw new Error(`--${option} names ${strange}: write some of ${names.join(', ')}, each once.`)
}
