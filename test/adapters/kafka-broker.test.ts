// Proves the starter of the real Apache Kafka: it starts, survives what tests do to it, and leaves nothing behind.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { kafkaIsHere, startKafka, type Kafka } from '../../src/testing/kafka/kafka.ts'
import { readClusterId } from '../../src/testing/kafka/node-data.ts'
import { nodeFiles } from '../../src/testing/kafka/node-process.ts'

const timeout = 240_000

/** True if somebody listens there. */
async function answers(broker: string): Promise<boolean> {
  const [hostname = '', port] = broker.split(':')
  const socket = connect(Number(port), hostname)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const pidOf = (folder: string, node = 1): number => Number(readFileSync(nodeFiles(folder, node).pid, 'utf8'))

const clusterIdOf = ({ folder }: Kafka): string | undefined => readClusterId(nodeFiles(folder, 1).data)

test('a node starts, comes back on its address after kill -9 and wiping, and leaves nothing', { timeout }, async () => {
  if (!(await kafkaIsHere())) return
  const kafka = await startKafka()
  const [broker = ''] = kafka.brokers
  try {
    assert.match(kafka.log(), /Kafka Server started/)
    assert.equal(await answers(broker), true)
    const [first, identity] = [pidOf(kafka.folder), clusterIdOf(kafka)]

    await kafka.kill()
    assert.deepEqual([isAlive(first), await answers(broker)], [false, false])
    await assert.rejects(kafka.freeze(), /node 1 does not run/)
    await kafka.restart()
    assert.deepEqual([await answers(broker), clusterIdOf(kafka)], [true, identity])

    await kafka.wipe()
    assert.equal(await answers(broker), true)
    assert.notEqual(clusterIdOf(kafka), identity)
    await assert.rejects(kafka.kill(2), /There is no Kafka node 2/)
  } finally {
    await kafka.stop()
  }
  await kafka.stop()
  assert.deepEqual([existsSync(kafka.folder), await answers(broker)], [false, false])
  await assert.rejects(kafka.restart(), /Kafka was stopped/)
})

test('a named folder is kept, and what cannot start says why', { timeout }, async () => {
  if (!(await kafkaIsHere())) return
  const folder = mkdtempSync(join(tmpdir(), 'lonja-kafka-named-'))
  try {
    const kafka = await startKafka({ folder })
    const pid = pidOf(folder)
    // Frozen, it hears of its end all the same.
    await kafka.freeze()
    await kafka.stop()
    assert.equal(isAlive(pid), false)
    // Only a clean stop writes this file.
    assert.ok(existsSync(join(nodeFiles(folder, 1).data, '.kafka_cleanshutdown')))

    const nonsense = { 'num.io.threads': 'many' }
    await assert.rejects(startKafka({ folder, settings: nonsense }), /node 1 ended with code 1 .*num\.io\.threads/s)
    const file = join(folder, 'file')
    writeFileSync(file, '')
    await assert.rejects(startKafka({ folder: file }), /Kafka for tests failed: .*file already exists/s)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('without Java the tests fail in CI, and say loudly elsewhere what they do not test', async () => {
  const module = JSON.stringify(import.meta.resolve('../../src/testing/kafka/kafka.ts'))
  const text = `const { kafkaIsHere } = await import(${module})
    console.log('here:', await kafkaIsHere())`
  const empty = mkdtempSync(join(tmpdir(), 'lonja-empty-'))
  const ask = (CI: string) => {
    const env = { ...process.env, JAVA_HOME: empty, CI }
    return spawnSync(process.execPath, ['--input-type=module', '--eval', text], { env, encoding: 'utf8' })
  }
  try {
    const [inCi, elsewhere] = [ask('true'), ask('')]
    assert.deepEqual([inCi.status, elsewhere.status], [1, 0])
    assert.match(inCi.stderr, /Apache Kafka needs Java 17/)
    assert.match(elsewhere.stderr, /!!! NOT TESTED.*!!!\nApache Kafka needs Java 17/)
    assert.match(elsewhere.stdout, /here: false/)
  } finally {
    rmSync(empty, { recursive: true })
  }
})

test('kill -9 of the process that started it leaves neither Java nor folder', { timeout }, async () => {
  if (!(await kafkaIsHere())) return
  const module = JSON.stringify(import.meta.resolve('../../src/testing/kafka/kafka.ts'))
  const text = `const { startKafka } = await import(${module})
    const { folder, brokers } = await startKafka()
    console.log(JSON.stringify([folder, brokers[0]]))
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', text], { stdio: 'pipe' })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const [folder, broker] = JSON.parse(line) as [string, string]
  const pid = pidOf(folder)
  assert.deepEqual([isAlive(pid), await answers(broker)], [true, true])
  child.stderr.resume()
  child.kill('SIGKILL')
  // The guard holds its parent's standard error, which closes when the guard is through.
  await once(child, 'close')
  assert.deepEqual([isAlive(pid), await answers(broker), existsSync(folder)], [false, false, false])
})
