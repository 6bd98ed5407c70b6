// The commands about topics against the real Kafka: made as declared, compared, and each fault said in a sentence.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { run } from '../../src/cli/run.ts'
import { addressOptions } from '../../src/platform/kafka/address.ts'
import { buildRegistry } from '../../src/platform/runtime/registry.ts'
import { services } from '../../src/services.ts'
import { kafkaIsHere, startKafka } from '../../src/testing/kafka/kafka.ts'
import { Admin } from '@platformatic/kafka'

const timeout = 120_000
/** Two of each service, and the one on which the ends of logs are announced. */
/** Two of each service, what databases tell each other, and two copies of each topic that is heard. */
const heard = new Set(buildRegistry(services).groups.flatMap(({ topics }) => topics))
const count = services.length * 2 + 1 + heard.size * 2

/** Runs a command as a person would and gives its exit code and what it said. */
async function lonja(...argv: readonly string[]) {
  const said: string[] = []
  const told: string[] = []
  const code = await run({
    argv,
    environment: {},
    readEnvFile: () => '',
    out: { write: (text: string) => said.push(text) > 0 },
    err: { write: (text: string) => told.push(text) > 0 },
  })
  return { code, said: said.join(''), told: told.join('') }
}

suite('topics on Kafka', async () => {
  if (!(await kafkaIsHere())) return

  test('a broker that is not there, and none that is named, are told with what to do', { timeout }, async () => {
    const gone = await lonja('topics', 'create', '--log', 'kafka://127.0.0.1:1')
    assert.equal(gone.code, 1)
    assert.match(gone.told, /Kafka at 127\.0\.0\.1:1 can't be reached: .*Is it running/)
    const none = await lonja('topics', 'check')
    assert.equal(none.code, 2)
    assert.match(none.told, /No Kafka is named/)
  })

  test('are made once, and what differs from their declaration is found', { timeout }, async () => {
    const kafka = await startKafka()
    const log = `kafka://${kafka.brokers.join(',')}`
    try {
      const missing = await lonja('topics', 'check', '--log', log)
      assert.equal(missing.code, 1)
      assert.equal(missing.said.match(/is missing/g)?.length, count)

      const made = await lonja('topics', 'create', '--log', log)
      assert.equal(made.code, 0, made.told)
      assert.match(made.told, /1 of 3 copies: there are 1 brokers/)
      assert.match(made.said, new RegExp(`Made ${count} topics`))
      assert.match((await lonja('topics', 'create', '--log', log)).said, /are there already/)
      assert.equal((await lonja('topics', 'check', '--log', log)).code, 0)
      assert.match((await lonja('topics', 'describe', '--log', log)).said, /orders\.events +6 +- +1 /)

      const address = { brokers: kafka.brokers, clientId: 'test' }
      const admin = new Admin({ ...addressOptions(address), retries: 2 })
      await admin.createPartitions({ topics: [{ name: 'orders.events', count: 7, assignments: null }] })
      const resource = { resourceType: 2, resourceName: 'payments.events' } as const
      const configs = [{ name: 'cleanup.policy', configOperation: 0, value: 'compact' }] as const
      await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [...configs] }] })
      await admin.close()
      const drifted = await lonja('topics', 'check', '--log', log, '--json')
      assert.equal(drifted.code, 1)
      const { drifts } = JSON.parse(drifted.said) as { readonly drifts: readonly { topic: string; text: string }[] }
      const texts = drifts.map(({ topic, text }) => `${topic} ${text}`)
      assert.ok(
        texts.some((text) => text.startsWith('orders.events has 7 partitions, more than the 6 that its contract')),
        texts.join(),
      )
      assert.ok(texts.includes('payments.events cleanup.policy is compact instead of delete'), texts.join())
    } finally {
      await kafka.stop()
    }
  })
})
