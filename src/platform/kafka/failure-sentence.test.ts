// What people are told when Kafka fails: one sentence for each way, by what the client and real servers say.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createPlainServer, type AddressInfo, type Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { test } from 'node:test'
import { expiredCertificate, expiredKey } from '../../testing/expired-certificate.ts'
import { localhostCertificate, localhostKey } from '../../testing/localhost-certificate.ts'
import type { KafkaAddress } from './address.ts'
import { KafkaLate } from './deadline.ts'
import { KafkaRefused, KafkaUnavailable, sentenceOf } from './failure-sentence.ts'
import { TopicAdmin } from './topics.ts'

const password = 'the-password-that-nobody-may-see'
const sasl = { mechanism: 'SCRAM-SHA-256', username: 'olga', password } as const
const plain: KafkaAddress = { brokers: ['db:9092'], clientId: 'test' }
const secure: KafkaAddress = { ...plain, tls: {}, sasl }

function told(error: Error, address: KafkaAddress = plain): string {
  const sentence = sentenceOf(address, error)
  assert.ok(!sentence.message.includes(password), sentence.message)
  return `${sentence.name}: ${sentence.message}`
}

/** As the client tells an answer of the broker. */
function answered(apiId: string, message: string): Error {
  return new AggregateError([Object.assign(new Error(message), { apiId })], 'metadata failed 3 times')
}

const saying = (message: string): Error => new AggregateError([new Error(message)], 'metadata failed 3 times')

/** What the admin client is told of a server, in words for people. */
async function toldBy(server: Server, tls: KafkaAddress['tls']): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const address = { ...secure, brokers: [`127.0.0.1:${port}`], ...(tls && { tls }) }
  const admin = new TopicAdmin(address)
  try {
    const error = await admin.brokers().then(
      () => assert.fail('somebody answered'),
      (thrown: unknown) => thrown as Error,
    )
    return told(error, address)
  } finally {
    await admin.close()
    server.close()
  }
}

test('nobody listens, nobody knows the name, nobody answers: waiting may help', () => {
  const start = "KafkaUnavailable: Kafka at db:9092 can't be reached: "
  const refused = told(saying('connect ECONNREFUSED 10.0.0.1:9092'))
  assert.equal(
    refused,
    `${start}nobody listens there (connect ECONNREFUSED 10.0.0.1:9092). Is it running, and are the addresses right?`,
  )
  assert.equal(told(saying('getaddrinfo ENOTFOUND db')), `${start}nobody knows the name db. Is it written right?`)
  const late = new KafkaLate('Kafka did not answer within 12000 ms (asking for the brokers).')
  assert.match(
    told(late),
    /^KafkaUnavailable: .*: nobody answers in time \(.*asking for the brokers\)\)\. Is it frozen\?$/,
  )
  assert.match(told(saying('Connection closed')), /If it wants TLS, set KAFKA_SSL to on\.$/)
  const { sasl: _, ...nobody } = secure
  assert.match(
    told(saying('Connection closed'), nobody),
    /If it wants a user, set KAFKA_SASL_USERNAME and its password\.$/,
  )
  assert.match(told(saying('Connection closed'), secure), /are the addresses right\?$/)
})

test('who we are: user, mechanism, port without users, rights', () => {
  const authentication = told(answered('SASL_AUTHENTICATION_FAILED', 'SASL authentication failed.'), secure)
  assert.match(authentication, /^KafkaRefused: Kafka at db:9092 refuses user or password .* Mend KAFKA_SASL_USERNAME/)
  const mechanism = told(answered('UNSUPPORTED_SASL_MECHANISM', 'The broker does not support it.'), secure)
  assert.match(mechanism, /^KafkaRefused: .* knows no users by SCRAM-SHA-256 .* Set KAFKA_SASL_MECHANISM to one that/)
  const state = told(answered('ILLEGAL_SASL_STATE', 'Request is not valid given the current SASL state.'), secure)
  assert.match(state, /^KafkaRefused: .* has no users on that port .* or leave KAFKA_SASL_USERNAME away\.$/)
  const rights = answered('TOPIC_AUTHORIZATION_FAILED', 'Topic authorization failed.')
  assert.match(told(rights, secure), /^KafkaRefused: .* does not allow olga what is needed .* `lonja acls` lists the/)
  assert.match(told(rights), /does not allow whoever does not log in what is needed/)
})

test('TLS: an authority that is not ours, names that differ, our own certificate refused', () => {
  const authority = told(saying('self-signed certificate in certificate chain'), secure)
  assert.match(
    authority,
    /^KafkaRefused: .* do not agree on TLS .* Is KAFKA_SSL_CA_FILE the one that signed the brokers/,
  )
  assert.match(told(saying('Broker requires TLS.')), /^KafkaRefused: .* Set KAFKA_SSL to on\.$/)
  const names = told(saying("Hostname/IP does not match certificate's altnames: Host: db. is not"), secure)
  assert.match(names, /^KafkaRefused: .* for other names .* Name the brokers as their certificates do\.$/)
  const ours = told(saying('tlsv13 alert certificate required:SSL alert number 116'), secure)
  assert.match(
    ours,
    /^KafkaRefused: .* does not take our certificate .* Are KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE/,
  )
})

test('a server whose certificate has expired', async () => {
  const server = createTlsServer({ key: expiredKey, cert: expiredCertificate })
  const sentence = await toldBy(server, { ca: [expiredCertificate] })
  assert.match(
    sentence,
    /^KafkaRefused: .* has expired \(certificate has expired\)\. Renew it at the broker; is the clock/,
  )
})

test('a server that another authority signed', async () => {
  const server = createTlsServer({ key: localhostKey, cert: localhostCertificate })
  assert.match(await toldBy(server, { ca: [expiredCertificate] }), /^KafkaRefused: .* and we do not agree on TLS/)
})

test('a port that speaks no TLS', async () => {
  const server = createPlainServer((socket) => socket.on('error', () => undefined).once('data', () => socket.destroy()))
  assert.match(await toldBy(server, {}), /^KafkaRefused: .* speaks no TLS on that port .* or set KAFKA_SSL to off\.$/)
})

test('a sentence stays as it is', () => {
  for (const error of [new KafkaRefused('No topic.'), new KafkaUnavailable('Away.')]) {
    assert.equal(sentenceOf(plain, error), error)
  }
})
