// What must be true of Kafka when it is over: everything is there, in order, with numbers that repeat but never jump.
import assert from 'node:assert/strict'
import { RelayStore } from '../../src/platform/kafka/relay-store.ts'
import type { RelayedRecord } from '../../src/platform/kafka/record-headers.ts'
import type { LogRecord } from '../../src/platform/log/record.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { services } from '../../src/services.ts'
import { loggedBy, type Listener } from '../../src/testing/kafka/relayed.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const sources = services.map(({ name }) => name)

/** A transaction that a killed relay left open keeps readers waiting until its successor's first act, or a minute. */
const ARRIVES_WITHIN_MS = 90_000

/** Everything that was appended was acknowledged by Kafka. */
export async function untilShipped(url: string): Promise<void> {
  const store = new RelayStore({ url, sources, holder: '' })
  try {
    const isShipped = async (): Promise<boolean> => (await store.backlog()).length === 0
    await waitFor(isShipped, { withinMs: ARRIVES_WITHIN_MS, what: 'an empty backlog of the relay' })
  } finally {
    await store.close()
  }
}

/** Compares what a listener heard all the time with the logs. @throws with the first place that differs. */
export async function assertAllOnKafka(url: string, listener: Listener): Promise<void> {
  const store = await openPostgres({ url })
  try {
    for (const [place, logged] of await loggedBy(store, sources)) {
      const heard = (): readonly RelayedRecord[] => listener.inPartitions().get(place) ?? []
      const hasAll = (): boolean => heard().some(({ sequence }) => sequence === logged.length - 1)
      await waitFor(hasAll, { withinMs: ARRIVES_WITHIN_MS, what: `record ${logged.length - 1} of ${place} on Kafka` })
      assertInOrder(place, logged, heard())
    }
    assert.deepEqual(listener.strangers, [], 'records on Kafka that are none of ours')
  } finally {
    await store.close()
  }
}

function assertInOrder(place: string, logged: readonly LogRecord[], heard: readonly RelayedRecord[]): void {
  let next = 0
  for (const record of heard) {
    const { sequence } = record
    assert.ok(sequence <= next, `${place} jumps from ${next - 1} to ${sequence} on Kafka`)
    if (sequence < next) continue
    const own = logged[sequence]
    const said = ({ type, key, data }: LogRecord) => JSON.stringify([type, key, data])
    assert.ok(own !== undefined && said(own) === said(record), `${place} has another record ${sequence} on Kafka`)
    next += 1
  }
  assert.equal(next, logged.length, `records of ${place} on Kafka`)
}
