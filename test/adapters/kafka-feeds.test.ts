// Feeds on the real Kafka: Kafka's own consumer finds their topics as declared, with plain JSON, each key in order.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { run } from '../../src/cli/run.ts'
import { feedNames } from '../../src/services.ts'
import { kafkaIsHere, startKafka, type Kafka } from '../../src/testing/kafka/kafka.ts'
import { serveOnKafka } from '../../src/testing/kafka/served.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const withinMs = 60_000
const ORDERS = 5
const feeds = ['--feeds', feedNames.join(',')]

interface Heard {
  readonly headers: string
  readonly key: string
  readonly body: Readonly<Record<string, unknown>>
}

/** Reads so many records as anybody does who knows nothing of us. */
async function heardBy({ tool }: Kafka, topic: string, count: number): Promise<readonly Heard[]> {
  const printed = ['print.headers=true', 'print.key=true'].flatMap((each) => ['--formatter-property', each])
  const limits = ['--max-messages', String(count), '--timeout-ms', '60000']
  const from = ['--from-beginning', '--isolation-level', 'read_committed']
  const said = await tool(['console-consumer', '--topic', topic, ...from, ...limits, ...printed])
  return said
    .trim()
    .split('\n')
    .map((line) => {
      const [headers = '', key = '', value = ''] = line.split('\t')
      return { headers, key, body: JSON.parse(value) as Heard['body'] }
    })
}

async function lonja(...argv: readonly string[]): Promise<string> {
  const said: string[] = []
  const sink = { write: (text: string) => said.push(text) > 0 }
  const code = await run({ argv, environment: {}, readEnvFile: () => '', out: sink, err: sink })
  assert.equal(code, 0, said.join(''))
  return said.join('')
}

suite('feeds on Kafka', async () => {
  if (!(await kafkaIsHere())) return

  test('their readers find each order, in order and in the shape that they know', { timeout }, async () => {
    const kafka = await startKafka()
    const url = await sharedPostgres()
    const log = ['--log', `kafka://${kafka.brokers[0]}`]
    try {
      await lonja('topics', 'create', ...log, ...feeds)
      const told = await lonja('topics', 'check', ...log, ...feeds)
      assert.match(told, /: as declared\./)
      const described = await lonja('topics', 'describe', ...log, ...feeds)
      assert.match(described, /^orders\.created +1 +- +1 +604800000 +snappy +0$/m)
      assert.match(described, /^order-events +6 +- +1 +2592000000 +gzip +0$/m)
      assert.match(described, /^inventory\.requests +3 +- +1 +86400000 +lz4 +0$/m)
      const served = await serveOnKafka(['--store', url, ...log, ...feeds])
      try {
        const { orderIds } = await served.placeOrders(ORDERS)
        await served.app.application.settled()
        await waitFor(async () => (await served.relayHealth())?.detail === 'nothing waits', { withinMs })
        assertCreated(await heardBy(kafka, 'orders.created', ORDERS), orderIds)
        assertTurns(await heardBy(kafka, 'pipeline.orders.events', 2 * ORDERS), orderIds)
        assertStatuses(await heardBy(kafka, 'order-events', 3 * ORDERS), orderIds)
        assert.deepEqual(served.told, [])
      } finally {
        await served.stop()
      }
    } finally {
      await kafka.stop()
    }
  })

  test('whoever ships them needs the right to write to their topics, and to look whether they are there', async () => {
    const rights = (...flags: readonly string[]) => lonja('acls', '--store', 'postgres://u:p@h/d', ...flags)
    const more = (await rights(...feeds)).trim().split('\n')
    const outward = more.filter((line) => / --topic (?:orders\.(?:created|paid|failed)|\S*-events)$/.test(line))
    assert.equal(outward.length, 10, more.join('\n'))
    assert.ok(outward.every((line) => line.includes('--operation Write')))
    assert.ok(!(await rights()).includes('orders.created'))
  })
})

function assertCreated(heard: readonly Heard[], orderIds: readonly string[]): void {
  assert.deepEqual(heard.map(({ key }) => key).toSorted(), orderIds.toSorted())
  for (const { key, body, headers } of heard) {
    assert.deepEqual(
      { ...body, clientId: '', items: [], createdAt: '' },
      { orderId: key, clientId: '', total: 5, status: 'PENDENTE', items: [], itemsCount: 1, createdAt: '' },
    )
    assert.deepEqual(Object.keys((body['items'] as readonly object[])[0] ?? {}), ['productId', 'quantity', 'price'])
    assert.match(headers, /ce_type:orders\.created/)
  }
}

function assertTurns(heard: readonly Heard[], orderIds: readonly string[]): void {
  const byKey = Map.groupBy(heard, ({ key }) => key)
  assert.deepEqual([...byKey.keys()].toSorted(), orderIds.toSorted())
  for (const turns of byKey.values()) {
    assert.deepEqual(
      turns.map(({ body }) => body['event_type']),
      ['ORDER_CREATED', 'ORDER_CONFIRMED'],
    )
  }
}

function assertStatuses(heard: readonly Heard[], orderIds: readonly string[]): void {
  const byKey = Map.groupBy(heard, ({ key }) => key)
  assert.deepEqual([...byKey.keys()].toSorted(), orderIds.toSorted())
  for (const turns of byKey.values()) {
    assert.deepEqual(
      turns.map(({ body }) => [body['eventType'], (body['data'] as Readonly<Record<string, string>>)['newStatus']]),
      [
        ['order.created', undefined],
        ['order.status.updated', 'PAID'],
        ['order.status.updated', 'CONFIRMED'],
      ],
    )
  }
}
