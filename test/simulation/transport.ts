// A transport that delivers a request for a step once more, long after it was dealt with.
import { partitionFor } from '../../src/platform/log/murmur2.ts'
import type { Store } from '../../src/platform/ports.ts'
import type { Oracle } from './oracle.ts'
import type { RareCounts } from './rare.ts'
import type { World } from './world.ts'

/**
 * What may come again: who is asked a second time answers as he did the first. Requests for stock are left out: their
 * answers are facts that analytics count, and no road of the product asks for stock twice.
 */
const AGAIN: ReadonlySet<string> = new Set(['CapturePayment', 'BookShipment'])

export interface TransportOptions {
  readonly store: Store
  readonly oracle: Oracle
  readonly rare: RareCounts
  readonly world: World
}

/** Appends an old request again, under a new number. */
export async function deliverAgain({ store, oracle, rare, world }: TransportOptions, salt: number): Promise<void> {
  const asked = [...oracle.logs.values()].flatMap((log) => log.filter(({ type }) => AGAIN.has(type)))
  const record = asked[salt % Math.max(1, asked.length)]
  if (record === undefined) return
  const heads = (await store.heads(record.source)).filter((head) => head.topic === record.topic)
  const head = heads.find(({ partition }) => partition === partitionFor(record.key, heads.length))
  if (head === undefined) return
  const { source, topic, partition, type, key, data, correlation } = record
  const body = JSON.stringify([{ type, key, data, correlation, cause: 'http the transport' }])
  const { generation, incarnation } = head
  const append = { source, topic, partition, generation, incarnation, expected: undefined, count: 1, body }
  const transaction = await store.begin()
  const plan = { writes: [], appends: [append], appendedAt: world.now, transaction: 0 }
  const firsts = await transaction.commit(plan)
  await transaction.release()
  oracle.committed({ plan, firsts, handled: undefined, committedAt: world.now, aheadMs: 0 })
  rare.hit('command replayed by the transport')
  world.note(`the transport delivers ${type} of ${key} again`)
}
