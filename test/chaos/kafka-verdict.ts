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

/**
 * Everything that was appended was acknowledged by Kafka.
 *
 * @param mustGoOn throws what went wrong meanwhile.
 * @param before under load something always waits: only what was appended until then, on the database's machine.
 */
export async function untilShipped(url: string, mustGoOn = (): true => true, before = Infinity): Promise<void> {
  const store = new RelayStore({ url, sources, holder: '' })
  try {
    const isShipped = async (): Promise<boolean> =>
      mustGoOn() && (await store.backlog()).every(({ oldestAt, records }) => records > 0 && oldestAt > before)
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
      const hasAll = (): boolean => asReaderKeeps(place, heard()).length >= logged.length
      const what = `record ${logged.length - 1} of ${place} on Kafka`
      await waitFor(hasAll, { withinMs: ARRIVES_WITHIN_MS, what }).catch((error: unknown) => {
        const last = heard().at(-1)?.sequence
        const why = `${heard().length} came, the last is ${last}; ${listener.failures.slice(-3).join('; ')}`
        throw new Error(`${(error as Error).message}: ${why}`, { cause: error })
      })
      assertInOrder(place, logged, heard())
    }
    assert.deepEqual(listener.strangers, [], 'records on Kafka that are none of ours')
  } finally {
    await store.close()
  }
}

function assertInOrder(place: string, logged: readonly LogRecord[], heard: readonly RelayedRecord[]): void {
  const kept = asReaderKeeps(place, heard)
  const said = ({ type, key, data }: LogRecord) => JSON.stringify([type, key, data])
  for (const [sequence, record] of kept.entries()) {
    const own = logged[sequence]
    assert.ok(own !== undefined && said(own) === said(record), `${place} has another record ${sequence} on Kafka`)
  }
  assert.equal(kept.length, logged.length, `records of ${place} on Kafka`)
}

/** A reader drops what it has, and what an incarnation has from where the next one began. @throws at a jump. */
export function asReaderKeeps(place: string, heard: readonly RelayedRecord[]): readonly RelayedRecord[] {
  const kept: RelayedRecord[] = []
  let highest = 1
  for (const record of heard) {
    const { sequence, incarnation, began = 0 } = record
    if (incarnation > highest) {
      highest = incarnation
      assert.ok(began <= kept.length, `${place} jumps from ${kept.length - 1} to ${began} with an incarnation`)
      kept.splice(began)
    }
    assert.ok(sequence <= kept.length, `${place} jumps from ${kept.length - 1} to ${sequence} on Kafka`)
    // One of before that comes once more lies below.
    if (sequence === kept.length) kept.push(record)
  }
  return kept
}
