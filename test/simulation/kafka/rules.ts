// What a seed stands for where the services lie in two databases that talk over Kafka.
import type { HistoryConfig } from '../config.ts'
import { CALLS_A_COMMAND, plainConfigOf } from '../config.ts'
import type { FaultKind } from '../faults.ts'
import { drawFaults } from '../faults.ts'
import { SeededRandom } from '../random.ts'
import type { WorkloadRules } from '../workload.ts'
import { drawCommands } from '../workload.ts'

export interface KafkaRules {
  /** How many processes each of the databases has. */
  readonly nodes: readonly number[]
  /** Rows of one partition that the relay reads at once: few cut through what one transaction wrote. */
  readonly rowsAPartition: number
  /** Records in one transaction of Kafka. */
  readonly capRecords: number
  /** Once nothing goes wrong any more all processes start anew: what they have read before does not come again. */
  readonly isRestarted: boolean
}

export interface KafkaConfig extends HistoryConfig {
  readonly kafka: KafkaRules
}

/** What happens to processes and databases, and leaves nothing parked or known by a clock that is wrong. */
const COMMON: readonly FaultKind[] = [
  'crash before',
  'crash after',
  'crash before commit',
  'crash after commit',
  'power cut',
  'stop',
  'commit lost before',
  'commit lost after',
  'conflict',
  'unavailable',
  'outage',
  'pause',
  'theft',
  'answer lost',
]

/** What happens on the way over Kafka, which most of the faults do. */
const ON_THE_WAY: readonly FaultKind[] = [
  'crash before a relay call',
  'crash after a relay call',
  'send refused',
  'send lost after',
  'mark lost before',
  'mark lost after',
  'marker lost',
  'pause at send',
  'broker away',
  'topic refused',
  'tail lost',
  'relay theft',
]

const RESTARTED_RATE = 0.5

export function kafkaConfigOf(seed: number): KafkaConfig {
  const plain = plainConfigOf(seed)
  const random = new SeededRandom(seed, 'kafka')
  const workload: WorkloadRules = { ...plain.workload, commands: random.between(20, 40) }
  const commands = drawCommands(random, workload)
  const nodes = [random.pick([1, 2, 2]), random.pick([1, 1, 2])]
  return {
    ...plain,
    nodes: nodes.reduce((sum, count) => sum + count, 0),
    isUndoneFirst: false,
    strict: false,
    workload,
    commands,
    faults: drawFaults(random, {
      count: random.pick([0, 4, 8, 16]),
      calls: commands.length * CALLS_A_COMMAND,
      kinds: [...COMMON, ...ON_THE_WAY, ...ON_THE_WAY],
    }),
    kafka: {
      nodes,
      rowsAPartition: random.pick([1, 2, 5, 100]),
      capRecords: random.pick([1, 5, 2000]),
      isRestarted: new SeededRandom(seed, 'restart').chance(RESTARTED_RATE),
    },
  }
}
