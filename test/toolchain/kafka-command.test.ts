// Proves `npm run kafka`: brokers that outlive the command, are found again, mended, stopped and wiped.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readStatus } from '../../src/testing/kafka/detached.ts'
import { kafkaIsHere } from '../../src/testing/kafka/kafka.ts'
import { securityFiles } from '../../src/testing/kafka/security.ts'
import { findFreePorts } from '../../src/testing/kafka/ports.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 300_000
const script = join(import.meta.dirname, '..', '..', 'scripts', 'kafka.ts')

interface Answer {
  readonly code: number
  readonly text: string
}

/** Runs the command and returns its exit code with all that it printed. */
function kafka(...args: readonly string[]): Promise<Answer> {
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, text: stdout + stderr })
    })
  })
}

async function expect(answer: Promise<Answer>, code: number, text: RegExp): Promise<void> {
  const got = await answer
  assert.match(got.text, text)
  assert.equal(got.code, code, got.text)
}

const pidsOf = (folder: string) => readStatus(folder)?.nodes.map(({ pid }) => pid) ?? []

test('it says what it can do, and refuses what it cannot', async () => {
  await expect(kafka('--help'), 0, /npm run kafka -- start .*--secure .*KAFKA_CACHE/s)
  await expect(kafka(), 1, /npm run kafka -- start/)
  await expect(kafka('begin'), 1, /^kafka: "begin" is no command: use start/)
  await expect(kafka('start', 'now'), 1, /"now" is too much/)
  await expect(kafka('start', '--nodes', '2'), 1, /--nodes 2 cannot be/)
  await expect(kafka('start', '--port', '80'), 1, /--port 80 cannot be/)
  await expect(kafka('start', '--force'), 1, /Unknown option '--force'/)
  const nowhere = join(tmpdir(), 'lonja-no-kafka-here')
  await expect(kafka('status', '--folder', nowhere), 3, /There is no Kafka in/)
  await expect(kafka('stop', '--folder', nowhere), 0, /No Kafka runs in/)
  await expect(kafka('wipe', '--folder', nowhere), 0, /There is no Kafka in/)
  await expect(kafka('tool', 'rocket'), 1, /"rocket" is no known tool/)
})

test('without Java or without Maven it says what to install', async () => {
  const start = (environment: Readonly<Record<string, string>>) =>
    new Promise<string>((resolve) => {
      const env = { ...process.env, ...environment }
      const args = [script, 'start', '--folder', join(tmpdir(), 'lonja-no-kafka-here')]
      execFile(process.execPath, args, { env }, (_error, _stdout, stderr) => resolve(stderr))
    })
  const empty = mkdtempSync(join(tmpdir(), 'lonja-empty-'))
  try {
    const withoutJava = await start({ JAVA_HOME: empty })
    assert.match(withoutJava, /^kafka: Apache Kafka needs Java 17 or newer, .*does not run here: install one/)
    if (!(await kafkaIsHere())) return
    const java = process.env['JAVA_HOME'] ?? (await findJavaHome())
    const withoutMaven = await start({ JAVA_HOME: java, PATH: empty, KAFKA_CACHE: empty })
    assert.match(withoutMaven, /^kafka: .*mvn, which fetches them, is missing: install Maven .*, or copy .* from a/)
  } finally {
    rmSync(empty, { recursive: true, force: true })
  }
})

/** Where the Java on the PATH lies. */
function findJavaHome(): Promise<string> {
  return new Promise((resolve) => {
    execFile('java', ['-XshowSettings:properties', '-version'], (_error, _stdout, stderr) =>
      resolve(/java\.home = (.+)/.exec(stderr)?.[1] ?? ''),
    )
  })
}

test('three nodes outlive the command, a dead one is mended, and stopped they can be wiped', { timeout }, async () => {
  if (!(await kafkaIsHere())) return
  const folder = mkdtempSync(join(tmpdir(), 'lonja-kafka-command-'))
  const [port = 0] = await findFreePorts(1)
  const here = ['--folder', folder]
  try {
    const start = kafka('start', '--nodes', '3', '--secure', '--port', String(port), ...here)
    await expect(start, 0, /Node [123] is ready.*Clients connect to 127\.0\.0\.1:\d+,.*by SASL_SSL .*passwords/s)
    await expect(kafka('status', ...here), 0, /Node 3: process \d+, clients .*Secured: yes\nData: [\d.]+ MB/s)
    await expect(kafka('start', ...here), 0, /is running already on/)
    await expect(kafka('start', '--nodes', '1', ...here), 1, /of 3 nodes, secured, and one node, secured was asked/)
    await expect(kafka('start', '--port', '9000', ...here), 1, /runs already, on .*: stop it to change its port/)
    await expect(kafka('wipe', ...here), 1, /runs \(node 1, 2, 3\): stop it first/)
    await expect(kafka(...here, 'tool', 'metadata-quorum', 'describe', '--status'), 0, /LeaderId:\s+[123]/)

    const [, second = 0] = pidsOf(folder)
    process.kill(second, 'SIGKILL')
    await waitFor(() => pidsOf(folder)[1] === undefined, { withinMs: 10_000 })
    await expect(kafka('status', ...here), 3, /Node 2: stopped/)
    await expect(kafka('start', ...here), 0, /Node 2 is ready/)

    await expect(kafka('stop', ...here), 0, /Node [123] has stopped/)
    assert.deepEqual(pidsOf(folder), [undefined, undefined, undefined])
    await expect(kafka('wipe', ...here), 0, /is empty now/)
    assert.deepEqual([existsSync(securityFiles(folder).own), readStatus(folder)], [false, undefined])
  } finally {
    await kafka('stop', ...here)
    rmSync(folder, { recursive: true, force: true })
  }
})
