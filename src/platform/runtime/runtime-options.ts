// What the loop of one process and database is made of.
import type { Projection } from '../../kernel/projection.ts'
import type { Clock, Log, Membership, Random, Store, Table } from '../ports.ts'
import type { Hand } from '../takeover/hand.ts'
import type { Observer } from './observer.ts'
import type { Registry } from './registry.ts'

export interface RuntimeOptions {
  readonly registry: Registry
  /** The services whose state this runtime's store keeps. */
  readonly hosted: readonly string[]
  /** Whether their groups, timers and effects run here, or only commands and reads. */
  readonly works: boolean
  readonly store: Store
  /** Where any service's log is read: its database, or Kafka where that is elsewhere. */
  readonly logOf: (service: string) => Log
  readonly clock: Clock
  readonly random: Random
  readonly membership: Membership
  readonly adapters: Readonly<Record<string, unknown>>
  readonly observer: Observer
  /** Told after each commit whose logs grew: runtimes of other databases in this process read on. */
  readonly grown: (sources: readonly string[]) => void
  readonly liveTable: (service: string, projection: Projection) => Table
  /** Called whenever memory is read afresh: what else is kept of this store is read again too. */
  readonly recalled?: () => Promise<void>
  /** Where the watchdog sees what is being handled; one a process. */
  readonly hand: Hand
  /** Whether copies of what is parked or dead are to go to Kafka. */
  readonly mirrors?: boolean
  /** Tests: freeze documents, hand on records in their stored form. */
  readonly strict?: boolean
  /** How long to gather what comes in before a batch; at low load fewer and larger batches save processor time. */
  readonly batchWaitMs?: number
}
