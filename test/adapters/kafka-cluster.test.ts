// Proves the larger Kafkas that tests can start: three nodes of which one may die, and one node that is secured.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { kafkaIsHere, startKafka, type Kafka } from '../../src/testing/kafka/kafka.ts'
import { nodeFiles } from '../../src/testing/kafka/node-process.ts'
import { securityFiles } from '../../src/testing/kafka/security.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const secondsOf = (limit: number) => ({ withinMs: limit * 1000 })

/** Every word that the topic holds, in the order of one partition. */
async function consume({ tool }: Kafka, topic: string, count: number): Promise<readonly string[]> {
  const limits = ['--max-messages', String(count), '--timeout-ms', '60000']
  const printed = await tool(['console-consumer', '--topic', topic, '--from-beginning', ...limits])
  return printed.trim().split('\n')
}

test('of three nodes one may die, what is written meanwhile is kept, and it comes back', { timeout }, async () => {
  if (!(await kafkaIsHere())) return
  const kafka = await startKafka({ nodes: 3 })
  try {
    assert.equal(new Set(kafka.brokers).size, 3)
    await kafka.tool(['topics', '--create', '--topic', 'words', '--partitions', '1'])
    await kafka.kill(1)
    const acknowledged = ['--command-property', 'acks=all']
    await kafka.tool(['console-producer', '--topic', 'words', ...acknowledged], { input: 'one\ntwo\nthree\n' })

    await kafka.restart(1)
    assert.match(kafka.log(1), /Kafka Server started/)
    const describe = () => kafka.tool(['topics', '--describe', '--topic', 'words'])
    const complete = /ReplicationFactor: 3.*Isr: (?=[\d,]*1)(?=[\d,]*2)(?=[\d,]*3)/s
    await waitFor(async () => complete.test(await describe()), secondsOf(60))
    await kafka.kill(2)
    assert.deepEqual(await consume(kafka, 'words', 3), ['one', 'two', 'three'])
  } finally {
    await kafka.stop()
  }
})

const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8)

/** Who the node says that it is, as one who trusts this authority alone finds it. */
async function greet(broker: string, ca: string | undefined): Promise<TLSSocket> {
  const [hostname = '', port] = broker.split(':')
  const socket = connect({ host: hostname, port: Number(port), ...(ca === undefined ? {} : { ca }) })
  try {
    await once(socket, 'secureConnect')
    return socket
  } finally {
    socket.destroy()
  }
}

test('a secured node shows a certificate, and lets users do only what they may', { timeout }, async () => {
  if (!(await kafkaIsHere())) return
  const kafka = await startKafka({ secure: true })
  try {
    const { access, brokers, folder, tool } = kafka
    assert.ok(access)
    assert.equal((await greet(brokers[0] ?? '', access.ca)).authorized, true)
    await assert.rejects(greet(brokers[0] ?? '', undefined), /certificate/)

    await tool(['topics', '--create', '--topic', 'secrets', '--partitions', '1'])
    const list = () => tool(['topics', '--list'], { user: 'lonja' })
    assert.equal((await list()).trim(), '')
    const allow = ['--add', '--allow-principal', 'User:lonja', '--operation', 'Write', '--topic', 'secrets']
    await tool(['acls', ...allow])
    assert.equal((await list()).trim(), 'secrets')
    await tool(['console-producer', '--topic', 'secrets'], { user: 'lonja', input: 'hush\n' })
    assert.deepEqual(await consume(kafka, 'secrets', 1), ['hush'])

    const { passwords, own } = securityFiles(folder)
    assert.deepEqual([modeOf(passwords), modeOf(own), modeOf(nodeFiles(folder, 1).properties)], ['600', '700', '600'])
    const { keyStore } = JSON.parse(readFileSync(passwords, 'utf8')) as { readonly keyStore: string }
    for (const password of [...Object.values(access.passwords), keyStore]) {
      assert.ok(password.length > 20 && !kafka.log().includes(password))
    }
  } finally {
    await kafka.stop()
  }
})
