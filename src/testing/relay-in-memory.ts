// The relay's loop on a virtual clock, with a log, a lease and a broker in memory.
import assert from 'node:assert/strict'
import { HEADS_TOPIC } from '../platform/kafka/heads-record.ts'
import { Relay } from '../platform/kafka/relay.ts'
import { LeaseLost, type Mark, type RelayRow } from '../platform/kafka/relay-store.ts'
import type { OutgoingRecord } from '../platform/kafka/transactional-producer.ts'
import { createVirtualClock } from './virtual-clock.ts'
import { watchClock } from './watched-clock.ts'

export const topic = 'orders.events'
export const source = 'orders'

/** As Kafka's client says that the broker takes nothing so large. */
export const tooLarge = Object.assign(new Error('too large'), { apiId: 'MESSAGE_TOO_LARGE' })

interface Sent {
  /** `0/17` is record 17 of partition 0. */
  readonly records: readonly string[]
  readonly batches: readonly (readonly OutgoingRecord[])[]
}

/** A database's log with its marks and the lease, and what another process may do to them. */
function logOfOrders() {
  const rows: RelayRow[] = []
  const marks = new Map<number, Mark>()
  const lease = { epoch: 1 as number | undefined }
  const next = (partition: number): number => rows.findLast((row) => row.partition === partition)?.last ?? -1

  /** One transaction that appends these bodies to each partition. */
  function append(transaction: string, bodies: Readonly<Record<number, readonly unknown[]>>): void {
    const places = Object.entries(bodies).map(([partition, data]) => [Number(partition), data] as const)
    for (const [partition, data] of places) {
      const first = next(partition) + 1
      const body = bodyOf(...data)
      const place = { source, topic, partition, first, last: first + data.length - 1, start: 0 }
      rows.push({ ...place, transaction, rows: places.length, generation: 1, incarnation: 1, appendedAt: 0, body })
    }
  }
  const startOf = (partition: number): number => marks.get(partition)?.next ?? 0
  const isWaiting = ({ partition, last }: RelayRow): boolean => {
    return last >= startOf(partition) && marks.get(partition)?.stopped === undefined
  }
  const store = {
    epoch: async () => lease.epoch,
    name: async () => 'relay-of-orders',
    logIds: async () => new Map([[source, 'log-1']]),
    heads: async () => [
      { source, topic, partition: 0, generation: 1, first: 0, next: next(0) + 1, made: 1, asOf: 1000 },
    ],
    async waiting() {
      if (lease.epoch === undefined) return []
      const waiting = rows.filter(isWaiting)
      return waiting.map((row) => {
        const together = waiting.filter(({ transaction }) => transaction === row.transaction).length
        return { ...row, rows: together, start: startOf(row.partition) }
      })
    },
    async mark(epoch: number, written: readonly Mark[]) {
      if (epoch !== lease.epoch) throw new LeaseLost('Another process relays this database by now.')
      for (const mark of written) marks.set(mark.partition, mark)
    },
    lastShipped: async (): Promise<readonly RelayRow[]> => [],
    async tryStoppedAgain() {
      const mark = [...marks.values()].find(({ stopped }) => stopped !== undefined)
      if (mark !== undefined) marks.set(mark.partition, { ...mark, stopped: undefined })
    },
  }
  return { append, store, marks, lease }
}

export interface Call {
  readonly isOpen: () => boolean
  readonly records: readonly OutgoingRecord[]
}

export const bodyOf = (...data: readonly unknown[]): string =>
  JSON.stringify(data.map((each) => ({ type: 'T', key: 'k', data: each, cause: 'c' })))

/** A broker that keeps what was committed; `onSend` may fail what is sent, `onOpen` whoever comes. */
function brokerInMemory() {
  const committed: Sent[] = []
  const broker = {
    opened: 0,
    closed: 0,
    /** The producer whose connections were lost, by the count of those opened. */
    cutOff: 0,
    committed,
    onOpen: async (): Promise<void> => undefined,
    onSend: (async () => undefined) as (call: Call) => Promise<void>,
    async openProducer() {
      broker.opened += 1
      const own = broker.opened
      await broker.onOpen()
      let isClosed = false
      return {
        get wasCutOff() {
          return own === broker.cutOff
        },
        async send(batches: readonly (readonly OutgoingRecord[])[]) {
          assert.ok(!isClosed, 'a producer that was closed is used')
          const records = batches.flat().filter((record) => record.topic !== HEADS_TOPIC)
          if (records.length === 0) return
          await broker.onSend({ isOpen: () => own === broker.opened, records })
          committed.push({ batches, records: records.map(placeOf) })
        },
        async close() {
          isClosed = true
          broker.closed += 1
        },
      }
    },
  }
  return broker
}

export const placeOf = ({ partition, headers }: OutgoingRecord): string => {
  const sequence = [...headers].find(([name]) => name.toString() === 'lonja-sequence')?.[1]
  return `${partition}/${sequence?.toString()}`
}

export const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

export function relayWorld({ compare }: { readonly compare?: (epoch: number) => Promise<ReadonlySet<string>> } = {}) {
  const [log, broker, clock] = [logOfOrders(), brokerInMemory(), createVirtualClock()]
  const watched = watchClock(clock)
  const told = { shipped: [] as number[], failed: [] as unknown[], refused: [] as string[] }
  const membership = { isHolder: true, changed: () => undefined as void, announced: () => undefined as void }
  const relay = new Relay({
    store: log.store,
    membership: {
      holds: () => membership.isHolder,
      onChange: (listener) => void (membership.changed = listener),
      onAnnounced: (listener) => void (membership.announced = () => listener('all')),
    },
    openProducer: () => broker.openProducer(),
    clock: watched.clock,
    ...(compare && { compare }),
    observer: {
      shipped: (records) => void told.shipped.push(records),
      failed: (error) => void told.failed.push(error),
      refused: ({ stopped = '' }) => void told.refused.push(stopped),
    },
  })
  const advance = (byMs: number): Promise<void> => clock.advance(byMs, settled)
  const transactions = (): (readonly string[])[] => broker.committed.map(({ records }) => records)
  return { ...log, broker, clock, told, membership, relay, advance, transactions, armed: watched.armed }
}
