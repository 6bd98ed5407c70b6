// The shop on a secured Kafka: what is wrong ends the start with a sentence, and `lonja acls` grants what it takes.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { run } from '../../src/cli/run.ts'
import type { KafkaAddress } from '../../src/platform/kafka/address.ts'
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
      await assert.rejects(
        serveAs(environmentOf('lonja', 'wrong')),
        /refuses user or password .* Mend KAFKA_SASL_USERNAME/,
      )
      await assert.rejects(
        serveAs({ ...environmentOf('lonja'), KAFKA_SSL_CA_FILE: '' }),
        /do not agree on TLS .* Is KAFKA_SSL_CA_FILE the one/,
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
      const served = await serveAs(environmentOf('lonja'))
      await served.placeOrders(3)
      await waitFor(async () => (await served.relayHealth())?.detail === 'nothing waits', { withinMs })
      assert.deepEqual(served.told, [])
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
