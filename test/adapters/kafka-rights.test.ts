// A secured Kafka and an ordinary user: our producer needs no more than the rights to write, unlike the client's own.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { KafkaAddress } from '../../src/platform/kafka/address.ts'
import { checkKafka, KafkaRefused, KafkaUnavailable } from '../../src/platform/kafka/check-kafka.ts'
import { headsTopic } from '../../src/platform/kafka/heads-record.ts'
import { kafkaCodes, refusalOf } from '../../src/platform/kafka/kafka-error.ts'
import { commandOf, type Right } from '../../src/platform/kafka/rights.ts'
import { TopicAdmin } from '../../src/platform/kafka/topics.ts'
import { kafkaIsHere, startKafka, type Kafka } from '../../src/testing/kafka/kafka.ts'
import { bytes, outgoing, stockClient } from './stock-client.ts'

const timeout = 240_000

function addressOf({ brokers, access }: Kafka, username: 'admin' | 'lonja', password?: string): KafkaAddress {
  assert.ok(access)
  const sasl = { mechanism: 'SCRAM-SHA-512', username, password: password ?? access.passwords[username] } as const
  return { brokers, clientId: 'rights', tls: { ca: [access.ca] }, sasl }
}

/** To write to these topics under any transactional id, and to read them: by the lines that `lonja acls` prints. */
async function allow({ tool }: Kafka, topic: string): Promise<void> {
  const rights: readonly Right[] = [
    {
      resource: 'topic',
      name: topic,
      pattern: 'literal',
      operations: ['READ', 'WRITE', 'DESCRIBE', 'DESCRIBE_CONFIGS'],
    },
    { resource: 'transactional-id', name: '*', pattern: 'literal', operations: ['WRITE', 'DESCRIBE'] },
  ]
  for (const right of rights) {
    const [, ...asked] = commandOf(right, 'User:lonja').split(' ')
    await tool(['acls', ...asked])
  }
}

suite('rights on Kafka', async () => {
  if (!(await kafkaIsHere())) return

  test(
    '12: the client`s transactions need a right that brokers keep for each other; ours do not',
    { timeout },
    async () => {
      const kafka = await startKafka({ secure: true })
      try {
        const topic = 'rights.events'
        await stockClient(addressOf(kafka, 'admin')).makeTopic(topic)
        await allow(kafka, topic)
        const { stock, ours, seenByOurs } = stockClient(addressOf(kafka, 'lonja'))
        const producer = stock('rights', { retries: 100 })
        const transaction = await producer.beginTransaction()
        await assert.rejects(
          transaction.send({ messages: [bytes(topic, 'stock')] }),
          (error) => kafkaCodes(error).includes('CLUSTER_AUTHORIZATION_FAILED'),
          'The client is cured of this defect: OrdinaryProducer may go',
        )
        await producer.close(true)

        const own = await ours('rights of ours')
        await own.send([[outgoing(topic, 'ours')]])
        await assert.rejects(own.send([[outgoing('rights.others', 'ours')]]), (error) => {
          return refusalOf(error) === 'TOPIC_AUTHORIZATION_FAILED'
        })
        await own.close()
        assert.deepEqual(await seenByOurs(topic), ['ours'])
        await checkWhatIsTold(kafka)
      } finally {
        await kafka.stop()
      }
    },
  )
})

/** Who may not, and who says the wrong password, hears it at the start instead of waiting for ever. */
async function checkWhatIsTold(kafka: Kafka): Promise<void> {
  const admin = new TopicAdmin(addressOf(kafka, 'admin'))
  await admin.create([headsTopic], 1)
  await admin.close()
  await checkKafka(addressOf(kafka, 'admin'), [headsTopic])
  const told = async (address: KafkaAddress): Promise<string> => {
    const error = await checkKafka(address, [headsTopic]).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof KafkaRefused || error instanceof KafkaUnavailable, String(error))
    return `${error.name}: ${error.message}`
  }
  assert.match(await told(addressOf(kafka, 'lonja')), /^KafkaRefused: .* does not allow lonja what is needed/)
  assert.match(await told(addressOf(kafka, 'lonja', 'wrong')), /^KafkaRefused: .* refuses user or password/)
  const { tls: _, ...plain } = addressOf(kafka, 'lonja')
  assert.match(await told(plain), /^KafkaUnavailable: .* If it wants TLS, set KAFKA_SSL to on/)
}
