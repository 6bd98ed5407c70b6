// Faults of two processes on PostgreSQL and Kafka: broker, processes and database die, and a listener compares all.
import { test } from 'node:test'
import { kafkaIsHere } from '../../src/testing/kafka/kafka.ts'
import type { FaultName } from './faults.ts'
import { endsWell } from './kill-9.ts'

const TIME_LIMIT_MS = 300_000

test('nothing is lost on the way to Kafka, whoever dies', { timeout: TIME_LIMIT_MS }, async (t) => {
  if (!(await kafkaIsHere())) return
  const faults: readonly FaultName[] = ['kill', 'broker', 'commit', 'database']
  await endsWell(t, { dialect: 'kafka', cycles: 8, faults, inTurn: true, hurriesLeases: true })
})

test('what a broker or a database forgets is sent again or begun anew', { timeout: TIME_LIMIT_MS }, async (t) => {
  if (!(await kafkaIsHere())) return
  const faults: readonly FaultName[] = ['wipe', 'network', 'restore']
  await endsWell(t, { dialect: 'kafka', cycles: faults.length, faults, inTurn: true, hurriesLeases: true })
})

test('one of three brokers dies, and one is cut off: nobody waits for it', { timeout: TIME_LIMIT_MS }, async (t) => {
  if (!(await kafkaIsHere())) return
  const faults: readonly FaultName[] = ['node', 'split']
  await endsWell(t, { dialect: 'kafka', nodes: 3, cycles: faults.length, faults, inTurn: true })
})

test(
  'a process that is stopped past its lease, also the one that relays, does no harm',
  { timeout: TIME_LIMIT_MS },
  async (t) => {
    if (!(await kafkaIsHere())) return
    await endsWell(t, { dialect: 'kafka', cycles: 2, faults: ['stop', 'clock'], inTurn: true })
  },
)
