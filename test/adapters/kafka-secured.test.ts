// The shop on a secured Kafka: what is wrong ends the start with a sentence, and `lonja acls` grants what it takes.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { inspect } from 'node:util'
import { run } from '../../src/cli/run.ts'
import type { KafkaAddress } from '../../src/platform/kafka/address.ts'
import type { KafkaHealth } from '../../src/platform/kafka/kafka-health.ts'
import { kafkaCodes } from '../../src/platform/kafka/kafka-error.ts'
import { TransactionalProducer } from '../../src/platform/kafka/transactional-producer.ts'
import { kafkaIsHere, startKafka } from '../../src/testing/kafka/kafka.ts'
import { makeTopics } from '../../src/testing/kafka/relayed.ts'
import { serveOnKafka } from '../../src/testing/kafka/served.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const withinMs = 60_000

const silent = { write: () => undefined }

/** What `lonja settings` prints with this environment. */
async function listSettings(environment: Readonly<Record<string, string>>): Promise<string> {
  let said = ''
  const out = { write: (text: string) => (said += text) }
  await run({ argv: ['settings'], environment, readEnvFile: () => '', out, err: out })
  return said
}

suite('on a secured Kafka', async () => {
  if (!(await kafkaIsHere())) return

  test('each way to be refused is a sentence, and with its rights the shop ships', { timeout }, async () => {
    const kafka = await startKafka({ secure: true })
    const { ca = '', passwords } = kafka.access ?? {}
    const folder = mkdtempSync(join(tmpdir(), 'lonja-secured-'))
    const caFile = join(folder, 'ca.pem')
    writeFileSync(caFile, ca)
    const addressOf = (username: 'admin' | 'lonja', password = passwords?.[username] ?? ''): KafkaAddress => {
      const sasl = { mechanism: 'SCRAM-SHA-512', username, password } as const
      return { brokers: kafka.brokers, clientId: 'test', tls: { ca: [ca] }, sasl }
    }
    const environmentOf = (username: 'admin' | 'lonja', password = passwords?.[username] ?? '') => ({
      KAFKA_BROKERS: kafka.brokers.join(','),
      KAFKA_SSL: 'true',
      KAFKA_SSL_CA_FILE: caFile,
      KAFKA_SASL_USERNAME: username,
      KAFKA_SASL_PASSWORD: password,
    })
    const store = await sharedPostgres()
    const serveAs = (environment: Readonly<Record<string, string>>) => serveOnKafka(['--store', store], environment)
    try {
      await makeTopics(addressOf('admin'))
      const secret = 'a-password-that-nobody-may-see'
      const listed = await listSettings(environmentOf('lonja', secret))
      assert.match(listed, /kafkaPassword|KAFKA_SASL_PASSWORD/)
      const refused = await serveAs(environmentOf('lonja', secret)).catch((error: unknown) => error)
      assert.match(String(refused), /refuses user or password .* Mend KAFKA_SASL_USERNAME/)
      for (const said of [listed, inspect(refused, { depth: 9 })]) assert.ok(!said.includes(secret), said)
      await assert.rejects(
        serveAs({ ...environmentOf('lonja'), KAFKA_SSL_CA_FILE: '' }),
        /do not agree on TLS .* Is KAFKA_SSL_CA_FILE the one/,
      )
      await assert.rejects(
        serveAs({ ...environmentOf('lonja'), KAFKA_SASL_MECHANISM: 'scram-sha-256' }),
        /knows no users by SCRAM-SHA-256 .* Set KAFKA_SASL_MECHANISM/,
      )
      await assert.rejects(serveAs(environmentOf('lonja')), /does not allow lonja what is needed .* `lonja acls`/)

      const code = await run({
        argv: ['acls', '--apply', '--store', store],
        environment: environmentOf('admin'),
        readEnvFile: () => '',
        out: silent,
        err: process.stderr,
      })
      assert.equal(code, 0)
      const passwordFile = join(folder, 'password')
      writeFileSync(passwordFile, `${passwords?.lonja ?? ''}\n`)
      const { KAFKA_SASL_PASSWORD: _, ...named } = environmentOf('lonja')
      const served = await serveAs({ ...named, KAFKA_SASL_PASSWORD_FILE: passwordFile })
      await served.placeOrders(3)
      await waitFor(async () => (await served.relayHealth())?.detail === 'nothing waits', { withinMs })
      assert.deepEqual(served.told, [])
      const health = await served.call<KafkaHealth>('/v1/ops/kafka')
      assert.equal(health.status, 'healthy', JSON.stringify(await served.call('/health')))
      assert.equal(health.topics.healthy, health.topics.total)
      const metrics = await (await fetch(`${served.app.address}/metrics`)).text()
      assert.match(metrics, /lonja_kafka_certificate_days\{certificate="the broker at 127\.0\.0\.1:\d+"\} 36\d\d/)
      await served.stop()
      const forger = { address: addressOf('lonja'), transactionalId: 'somebody-else', deadlineMs: 5000 }
      await assert.rejects(TransactionalProducer.open(forger), (error) => {
        return kafkaCodes(error).includes('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
      })
    } finally {
      rmSync(folder, { recursive: true })
      await kafka.stop()
    }
  })
})
