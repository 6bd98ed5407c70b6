// Kafka's own tools show every group with its offset and lag; a name that somebody else uses is left alone, and told.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Consumer } from '@platformatic/kafka'
import type { PartHealth } from '../../src/platform/application.ts'
import { headsTopic } from '../../src/platform/kafka/heads-record.ts'
import { hasMembers, OffsetAdmin } from '../../src/platform/kafka/offset-admin.ts'
import { TopicAdmin } from '../../src/platform/kafka/topics.ts'
import { kafkaIsHere, sharedKafka, startKafka, type Kafka } from '../../src/testing/kafka/kafka.ts'
import { makeTopics } from '../../src/testing/kafka/relayed.ts'
import { serveOnKafka } from '../../src/testing/kafka/served.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const withinMs = 60_000

/** What `kafka-consumer-groups --describe` prints of a group: lag by topic, its partitions added up. */
async function lagsOf({ tool }: Kafka, group: string): Promise<Readonly<Record<string, number>>> {
  const printed = await tool(['consumer-groups', '--describe', '--group', group]).catch(() => '')
  const lags: Record<string, number> = {}
  for (const line of printed.split('\n')) {
    const [name, topic = '', , , , lag] = line.trim().split(/\s+/)
    if (name === group) lags[topic] = (lags[topic] ?? 0) + Number(lag)
  }
  return lags
}

function sum(lags: Readonly<Record<string, number>>): number {
  return Object.values(lags).reduce((total, lag) => total + lag, 0)
}

suite('groups in Kafka`s tools', async () => {
  if (!(await kafkaIsHere())) return

  test('Kafka refuses the offsets of a group that has members', { timeout }, async () => {
    const address = { brokers: (await sharedKafka()).brokers, clientId: 'members' }
    const topics = new TopicAdmin(address)
    await topics.create([headsTopic], 1)
    await topics.close()
    const admin = new OffsetAdmin(address)
    const offset = { topic: headsTopic.name, partition: 0, offset: 0n }
    await admin.commit('taken', [offset])
    assert.deepEqual(await admin.committed('taken'), [{ ...offset, isOurs: true }])
    const consumer = new Consumer({ clientId: 'other', groupId: 'taken', bootstrapBrokers: [...address.brokers] })
    const stream = await consumer.consume({ topics: [headsTopic.name], mode: 'earliest', autocommit: false })
    try {
      await assert.rejects(admin.commit('taken', [{ ...offset, offset: 7n }]), hasMembers)
      assert.deepEqual(await admin.committed('taken'), [{ ...offset, isOurs: true }])
    } finally {
      await stream.close()
      await consumer.close(true)
      await admin.close()
    }
  })

  test('a group shows its lag, and a name that others use is left alone', { timeout }, async () => {
    const kafka = await startKafka()
    const { tool, brokers } = kafka
    await makeTopics({ brokers, clientId: 'test' })
    // Somebody else's group, with an offset of its own.
    await tool(['console-producer', '--topic', 'lonja.heads'], { input: 'hello\n' })
    const read = ['--topic', 'lonja.heads', '--from-beginning', '--max-messages', '1'] as const
    await tool(['console-consumer', ...read, '--group', 'shipping'])

    const flags = ['--log', `kafka://${brokers[0]}`, '--store', await sharedPostgres()]
    const served = await serveOnKafka(flags)
    try {
      await served.placeOrders(4)
      await waitFor(async () => 'orders.events' in (await lagsOf(kafka, 'orders')), {
        withinMs,
        what: 'the group shows',
      })
      await waitFor(async () => sum(await lagsOf(kafka, 'orders')) === 0, { withinMs, what: 'it has read all' })

      await served.call('/v1/ops/groups/orders.order_list/pause', { reason: 'to see its lag' })
      const { orderIds } = await served.placeOrders(6)
      await waitFor(async () => (await served.order(orderIds[5] ?? '')).status === 'CONFIRMED', { withinMs })
      const behind = await waitFor(
        async () => {
          const lags = await lagsOf(kafka, 'orders.order_list')
          return (lags['orders.events'] ?? 0) >= 6 && lags
        },
        { withinMs, what: 'the paused group lags' },
      )
      assert.ok((behind['orders.events'] ?? 0) < 200, JSON.stringify(behind))
      await served.call('/v1/ops/groups/orders.order_list/resume', { reason: 'seen' })
      await waitFor(async () => sum(await lagsOf(kafka, 'orders.order_list')) === 0, {
        withinMs,
        what: 'it catches up',
      })

      const { parts } = (await (await fetch(`${served.app.address}/health`)).json()) as { parts: PartHealth[] }
      const told = parts.find(({ part }) => part === 'groups on Kafka')
      assert.equal(
        told?.detail,
        'somebody else keeps offsets as shipping; nothing is written there: ' +
          'choose other names with --kafka-group-prefix',
      )
      assert.deepEqual(Object.keys(await lagsOf(kafka, 'shipping')), ['lonja.heads'])
      assert.deepEqual(served.told, [])
    } finally {
      await served.stop()
      await kafka.stop()
    }
  })
})
