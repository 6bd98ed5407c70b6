// What a seed stands for: how many nodes, how orderly, how slow, what is asked, what goes wrong.
import type { Fault, FaultKind } from './faults.ts'
import { drawFaults } from './faults.ts'
import type { KafkaRules } from './kafka/rules.ts'
import { SeededRandom } from './random.ts'
import type { Latency } from './ports.ts'
import type { Command, WorkloadRules } from './workload.ts'
import { MAX_SKUS, drawCommands } from './workload.ts'

export interface HistoryConfig {
  readonly seed: number
  readonly nodes: number
  /** So many of them are left when nothing goes wrong any more. */
  readonly core: number
  readonly orderliness: number
  readonly latency: Latency
  readonly mailFailureRate: number
  readonly workload: WorkloadRules
  /** Requests for payment die at once and are given up, so that their undo comes before them. */
  readonly isUndoneFirst: boolean
  /** Documents frozen, records handed on in their stored form. */
  readonly strict: boolean
  readonly commands: readonly Command[]
  readonly faults: readonly Fault[]
  /** One of two databases goes back to an earlier copy; undefined where all services share one. */
  readonly setBack: SetBack | undefined
  /** The services lie in two databases that talk over Kafka; undefined where they don't. */
  readonly kafka?: KafkaRules
  /** Topics get more partitions, one step after the other. */
  readonly scalings: readonly PlannedScaling[]
}

export interface PlannedScaling {
  /** After the beginning. */
  readonly atMs: number
  readonly partitions: number
}

/** The two databases of a history in which one is set back. */
export type Side = 'inventory' | 'others'

export interface SetBack {
  readonly side: Side
  /** After the beginning. */
  readonly copyAtMs: number
  /** Then all processes die, the copy is put back, and they start again. */
  readonly restoreAtMs: number
}

const COMMANDS = 50
/** About how many calls to its ports a history makes for each command while faults still happen. */
export const CALLS_A_COMMAND = 30

/** One in which all services share a database. */
export function plainConfigOf(seed: number): HistoryConfig {
  const random = new SeededRandom(seed, 'config')
  const workload: WorkloadRules = {
    commands: random.between(COMMANDS - 15, COMMANDS + 15),
    skus: random.pick([1, 2, 3, MAX_SKUS]),
    burst: random.pick([1, 5, 10, 10, 20, 20]),
    gapMs: random.pick([0, 0, 5, 20, 100, 1000, 5000]),
    isScarce: random.chance(0.6),
  }
  const faults = random.pick([0, 3, 6, 10, 16])
  const nodes = random.pick([1, 1, 2, 2, 3])
  return {
    seed,
    nodes,
    core: random.chance(0.7) ? 1 : nodes,
    orderliness: random.pick([1, 0.9, 0.5]),
    latency: random.pick([
      { chance: 0, mostMs: 0 },
      { chance: 0.05, mostMs: 30 },
      { chance: 0.15, mostMs: 5 },
      { chance: 0.02, mostMs: 3000 },
    ]),
    mailFailureRate: random.pick([0, 0, 0.3]),
    workload,
    strict: random.chance(0.1),
    setBack: undefined,
    scalings: drawScalings(new SeededRandom(seed, 'scalings'), workload),
    isUndoneFirst: new SeededRandom(seed, 'undone first').chance(UNDONE_FIRST_RATE),
    commands: drawCommands(new SeededRandom(seed, 'workload'), workload),
    faults: drawFaults(new SeededRandom(seed, 'faults'), {
      count: faults,
      calls: workload.commands * CALLS_A_COMMAND,
    }),
  }
}

/** The share of histories that scale their topics: such a one takes several times as long. */
const SCALED_RATE = 0.04
/** Not only doubled: so keys move between old partitions as well. */
const SCALED_TO = [7, 8, 9, 12] as const
const SCALED_AGAIN_TO = [13, 15, 24] as const

function drawScalings(random: SeededRandom, workload: WorkloadRules, rate = SCALED_RATE): readonly PlannedScaling[] {
  if (!random.chance(rate)) return []
  const lastMs = Math.max(200, (workload.commands / workload.burst) * workload.gapMs)
  const first = { atMs: random.below(lastMs), partitions: random.pick(SCALED_TO) }
  if (random.chance(0.5)) return [first]
  return [first, { atMs: first.atMs + random.below(lastMs), partitions: random.pick(SCALED_AGAIN_TO) }]
}

/** The same, and its topics are scaled in any case. */
export function withScalings(config: HistoryConfig): HistoryConfig {
  return { ...config, scalings: drawScalings(new SeededRandom(config.seed, 'scalings'), config.workload, 1) }
}

/** What can happen to a node that is alone, and leaves nothing parked: a lost record may be parked for ever. */
const SET_BACK_FAULTS: readonly FaultKind[] = [
  'crash before',
  'crash after',
  'crash before commit',
  'crash after commit',
  'commit lost before',
  'commit lost after',
  'unavailable',
  'outage',
  'answer lost',
]

/** A history in which one of two databases goes back: one node, commands before the copy, after it, and afterwards. */
export function setBackConfigOf(seed: number): HistoryConfig {
  const plain = plainConfigOf(seed)
  const random = new SeededRandom(seed, 'set back')
  const workload: WorkloadRules = { ...plain.workload, gapMs: random.pick([20, 100, 1000]), isScarce: false }
  const commands = drawCommands(random, workload)
  const calls = commands.length * CALLS_A_COMMAND
  const lastMs = Math.max(...commands.filter(({ kind }) => kind === 'place').map(({ atMs }) => atMs))
  const copyAtMs = Math.floor(lastMs * (0.1 + random.fraction() * 0.4))
  const restoreAtMs = copyAtMs + 1 + Math.floor((lastMs - copyAtMs) * (0.2 + random.fraction() * 0.5))
  return {
    ...plain,
    nodes: 1,
    core: 1,
    isUndoneFirst: false,
    scalings: [],
    strict: false,
    mailFailureRate: 0,
    workload,
    commands,
    faults: drawFaults(random, { count: random.pick([0, 2, 5]), calls, kinds: SET_BACK_FAULTS }),
    setBack: { side: random.pick(['inventory', 'others']), copyAtMs, restoreAtMs },
  }
}

const FAVOURED = 20
const UNDONE_FIRST_RATE = 0.05

/** The same with several nodes, and with more of these faults. */
export function withMore(config: HistoryConfig, kinds: readonly FaultKind[]): HistoryConfig {
  const calls = config.commands.length * CALLS_A_COMMAND
  if (kinds.length === 0) return config
  const more = drawFaults(new SeededRandom(config.seed, 'favoured'), { count: FAVOURED, calls, kinds })
  const faults = [...config.faults, ...more].toSorted((one, other) => one.fromCall - other.fromCall)
  return { ...config, nodes: Math.max(2, config.nodes), core: 1, faults: faults.map((fault, id) => ({ ...fault, id })) }
}

/** The same, where most orders are cancelled. */
export function withCancellations(config: HistoryConfig): HistoryConfig {
  const workload = { ...config.workload, isCancelled: true }
  return { ...config, workload, commands: drawCommands(new SeededRandom(config.seed, 'cancellations'), workload) }
}

/** The options of a history in one line. */
export function describeConfig(config: HistoryConfig): string {
  const { seed, nodes, orderliness, latency, workload, commands, faults, kafka } = config
  return (
    `seed ${seed}: ${nodes} nodes, ${commands.length} commands over ${workload.skus} SKUs, ` +
    `${workload.burst} at a time every ${workload.gapMs} ms, ` +
    `orderliness ${orderliness}, latency ${latency.mostMs} ms in ${latency.chance}, ${faults.length} faults` +
    (kafka === undefined ? '' : `; over Kafka, ${kafka.rowsAPartition} rows and ${kafka.capRecords} records at once`)
  )
}
