// Everything that is done to the shop, by name: what it is, on which store it can be done, and how.
import { cutConnections, loseDatabase } from './database-faults.ts'
import { fillDisk } from './disk-faults.ts'
import { restoreOldCopy } from './going-back.ts'
import { emptyBroker, loseBroker, loseOneOfThree, loseTail } from './kafka-faults.ts'
import type { Dialect } from './fleet.ts'
import { loseRelay, scaleWorkers, splitBrokers, spoilNetwork } from './network-faults.ts'
import { killAnyTime, killAtCommit, killAtStart, setClocksApart, stopAndGoOn } from './process-faults.ts'
import type { Scene, Strike } from './scene.ts'

export interface Fault {
  readonly summary: string
  readonly stores: readonly Dialect[]
  /** How many brokers it takes. */
  readonly nodes?: 1 | 3
  readonly strike: (scene: Scene) => Promise<Strike>
}

const EVERYWHERE: readonly Dialect[] = ['sqlite', 'postgres', 'kafka']
const ON_SERVERS: readonly Dialect[] = ['postgres', 'kafka']

export const faults = {
  kill: { summary: 'kill -9 at any moment', stores: EVERYWHERE, strike: killAnyTime },
  commit: { summary: 'kill -9 before, in and after a COMMIT', stores: EVERYWHERE, strike: killAtCommit },
  start: { summary: 'kill -9 while it starts and recovers, several times', stores: EVERYWHERE, strike: killAtStart },
  stop: {
    summary: 'SIGSTOP past the lease, also with an open commit, then SIGCONT',
    stores: EVERYWHERE,
    strike: stopAndGoOn,
  },
  clock: { summary: 'clocks of the processes apart, and jumping', stores: EVERYWHERE, strike: setClocksApart },
  disk: { summary: 'the disk of the database is full', stores: ['sqlite', 'postgres'], strike: fillDisk },
  database: { summary: 'PostgreSQL killed or restarted', stores: ON_SERVERS, strike: loseDatabase },
  cut: { summary: 'connections cut by pg_terminate_backend', stores: ON_SERVERS, strike: cutConnections },
  broker: { summary: "Kafka's broker killed, or stopped for a while", stores: ['kafka'], strike: loseBroker },
  node: { summary: 'one of three brokers killed', stores: ['kafka'], nodes: 3, strike: loseOneOfThree },
  split: {
    summary: 'one of three brokers cut off from the others, or reached late',
    stores: ['kafka'],
    nodes: 3,
    strike: splitBrokers,
  },
  wipe: { summary: 'the broker comes back empty', stores: ['kafka'], nodes: 1, strike: emptyBroker },
  tail: { summary: "the broker's disk set back to a copy", stores: ['kafka'], nodes: 1, strike: loseTail },
  restore: { summary: 'PostgreSQL set back to a copy of its files', stores: ['kafka'], strike: restoreOldCopy },
  network: {
    summary: 'a network cut, hanging or slow: to PostgreSQL, or to the broker',
    stores: ['kafka'],
    strike: spoilNetwork,
  },
  relay: {
    summary: 'the process that ships to Kafka killed, or stopped past its lease',
    stores: ['kafka'],
    strike: loseRelay,
  },
  scale: { summary: 'from one process to six and back, under load', stores: ['kafka'], strike: scaleWorkers },
} as const satisfies Readonly<Record<string, Fault>>

export type FaultName = keyof typeof faults
export const FAULT_NAMES = Object.keys(faults) as readonly FaultName[]

/** The faults among these that can be done to a store, and to so many brokers. */
export function faultsFor(dialect: Dialect, names: readonly FaultName[], nodes = 1): readonly FaultName[] {
  return names.filter((name) => {
    const fault: Fault = faults[name]
    return fault.stores.includes(dialect) && (dialect !== 'kafka' || (fault.nodes ?? nodes) === nodes)
  })
}
