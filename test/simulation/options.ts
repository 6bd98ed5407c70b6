// The options of `npm run simulate`, and what they mean.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

export const HELP = `Runs the shop under a seeded simulator: faults, crashes, restarts, on a virtual clock.

  npm run simulate                       60 seconds, from seed 1 on
  npm run simulate -- --seed 4711        one history again, exactly; what fails is shrunk
  npm run simulate -- --mutants          takes one safeguard away at a time: each must be caught

  --seed S        only this seed; prints its trace where it fails
  --from S        the first seed (1)
  --histories N   so many histories
  --seconds N     so many seconds (60 unless histories are given)
  --cores N       worker processes (all cores)
  --json FILE     writes the summary there, too
  --trace         with --seed: prints the whole trace, also of a history that holds
  --without A,B   with --seed: leaves out these faults
  --kafka         every history over Kafka, and not one in sixty
  --mutants       a table: each mutant, what caught it, seeds and seconds
  --only NAME     with --mutants: only those whose name holds this
  --help`

export interface Options {
  readonly seed: number | undefined
  readonly from: number
  /** Seeds go up by this: each worker has its own. */
  readonly step: number
  readonly histories: number
  readonly seconds: number
  readonly cores: number
  /** Where the summary is written to; nowhere where it is empty. */
  readonly json: string
  readonly trace: boolean
  readonly without: readonly number[]
  /** Whether each seed is a history over Kafka. */
  readonly kafka: boolean
  readonly mutants: boolean
  readonly only: string
  readonly help: boolean
}

const DEFAULT_SECONDS = 60

/** @throws when an option is unknown or no number. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      from: { type: 'string', default: '1' },
      step: { type: 'string', default: '1' },
      histories: { type: 'string' },
      seconds: { type: 'string' },
      cores: { type: 'string', default: String(availableParallelism()) },
      json: { type: 'string', default: '' },
      trace: { type: 'boolean', default: false },
      without: { type: 'string', default: '' },
      kafka: { type: 'boolean', default: false },
      mutants: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  })
  const isBounded = values.histories !== undefined && values.seconds === undefined
  return {
    seed: values.seed === undefined ? undefined : numberOf('seed', values.seed),
    from: numberOf('from', values.from),
    step: numberOf('step', values.step),
    histories: values.histories === undefined ? Number.POSITIVE_INFINITY : numberOf('histories', values.histories),
    seconds: isBounded ? Number.POSITIVE_INFINITY : numberOf('seconds', values.seconds ?? String(DEFAULT_SECONDS)),
    cores: numberOf('cores', values.cores),
    json: values.json,
    trace: values.trace,
    without: values.without === '' ? [] : values.without.split(',').map((id) => numberOf('without', id)),
    kafka: values.kafka,
    mutants: values.mutants,
    only: values.only,
    help: values.help,
  }
}

function numberOf(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 0) throw new Error(`--${name} is a whole number, not ${text}.`)
  return number
}
