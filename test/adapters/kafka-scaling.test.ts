// More partitions where the reader's database is another and only Kafka lies between: no key is inverted on the way.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { KafkaAddress } from '../../src/platform/kafka/address.ts'
import { headsTopic } from '../../src/platform/kafka/heads-record.ts'
import { KafkaLog } from '../../src/platform/kafka/kafka-log.ts'
import { TopicAdmin } from '../../src/platform/kafka/topics.ts'
import { topicNamed } from '../../src/kernel/message.ts'
import type { Log } from '../../src/platform/ports.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { systemClock } from '../../src/platform/system.ts'
import { kafkaIsHere, startKafka } from '../../src/testing/kafka/kafka.ts'
import { listenTo, startRelay } from '../../src/testing/kafka/relayed.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import { BARRIER } from '../../src/platform/log/barrier.ts'
import type { Ledger } from './scaling-ledger.ts'
import { accountsNamed, assertWhole, scale, startLedger } from './scaling-ledger.ts'

const timeout = 240_000
const withinMs = 60_000
const ACCOUNTS = accountsNamed(16)
const BAD = new Set(['account-1', 'account-4', 'account-7'])
const ROUNDS = 12
const TOPIC = 'desk.events'

suite('more partitions over Kafka', async () => {
  if (!(await kafkaIsHere())) return

  test('6 → 8 → 12 under load: barriers are shipped, and the reader waits for all of them', { timeout }, async () => {
    const closers: (() => Promise<void>)[] = []
    try {
      await underLoad(closers)
    } finally {
      for (const close of closers.toReversed()) await close()
    }
  })
})

async function underLoad(closers: (() => Promise<void>)[]): Promise<void> {
  const kafka = await startKafka()
  closers.push(() => kafka.stop())
  const address = { brokers: kafka.brokers, clientId: 'test' }
  const admin = new TopicAdmin(address)
  closers.push(() => admin.close())
  await admin.create([topicNamed(TOPIC), headsTopic], 1)
  const url = await sharedPostgres()
  const store = await openPostgres({ url })
  const desk = await startLedger({ store, clock: systemClock, only: 'desk', logOf: elsewhere })
  closers.push(() => desk.stop())
  const reader = await startReader(address)
  closers.push(() => reader.stop())
  const relay = await startRelay({ url, address, sources: ['desk'] })
  closers.push(() => relay.stop())
  for (let entry = 0; entry < ROUNDS; entry += 1) {
    await Promise.all(ACCOUNTS.map((account) => desk.post(account, entry)))
    relay.relay.wake()
    if (entry === 3) await grow(admin, desk, 8)
    if (entry === 5) {
      const isParked = async () => (await reader.ledger.rows('parked_keys')).length === BAD.size
      await waitFor(isParked, { withinMs, what: 'the bad keys parked' })
    }
    if (entry === 7) await grow(admin, desk, 12)
    if (entry === 9) reader.state.isBad = false
  }
  await waitFor(() => isDone(reader.ledger), { withinMs, what: 'every entry kept and folded' })
  await assertWhole(reader.ledger, ACCOUNTS, ROUNDS)
  // The client would wrap partition 7 of metadata that knows six into 1.
  assert.deepEqual(reader.strangers, [], 'every record lies where it says')
  const rows = await reader.ledger.rows('cursors')
  assert.deepEqual([...new Set(rows.map((row) => row['generation']))], [3])
  const outsider = listenTo(address, [TOPIC])
  closers.push(() => outsider.stop())
  const barriers = () => outsider.arrived.filter(({ type }) => type === BARRIER)
  await waitFor(() => barriers().length === 12, { withinMs, what: 'two barriers in each of six partitions' })
}

/** Of the ledger's log the desk hears nothing. */
const elsewhere = (service: string): Log | undefined => (service === 'desk' ? undefined : NOTHING)
const NOTHING: Log = { isElsewhere: true, heads: async () => [], readLog: async () => [] }

/** As `lonja topics scale` does: Kafka first. */
async function grow(admin: TopicAdmin, desk: Ledger, partitions: number): Promise<void> {
  await admin.grow(TOPIC, partitions)
  await scale(desk, partitions)
}

/** The ledger on a database of its own, which hears of the desk over Kafka alone. */
async function startReader(address: KafkaAddress) {
  const state = { isBad: true }
  const strangers: string[] = []
  const known: { ledger?: Ledger } = {}
  const log = new KafkaLog({
    address,
    clock: systemClock,
    topics: [TOPIC],
    reads: () => true,
    holds: () => true,
    positions: [],
    grown: (sources) => known.ledger?.lonja.noticed(sources),
    observer: { failed: () => undefined, stranger: async ({ why }) => strangers.push(why) > 0 },
  })
  const ledger = await startLedger({
    store: await openPostgres({ url: await sharedPostgres() }),
    clock: systemClock,
    only: 'ledger',
    logOf: (service) => (service === 'desk' ? log : undefined),
    trouble: (account) => {
      if (state.isBad && BAD.has(account)) throw new Error('trouble')
    },
  })
  known.ledger = ledger
  log.start()
  const stop = async (): Promise<void> => {
    await log.stop()
    await ledger.stop()
  }
  return { ledger, state, strangers, stop }
}

async function isDone(ledger: Ledger): Promise<boolean> {
  for (const account of ACCOUNTS) {
    const [kept, folded] = [await ledger.entries(account), await ledger.folded(account)]
    if (kept.length < ROUNDS || folded.length < ROUNDS) return false
  }
  return (await ledger.rows('parked_keys')).length === 0
}
