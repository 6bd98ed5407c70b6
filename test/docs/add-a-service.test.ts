// Follows docs/guides/add-a-service.md to the letter: its files, its types, its tests, its requests and its promises.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { describeFindings } from '../tidy/finding.ts'
import { importRule } from '../tidy/import-rule.ts'
import { purityRule } from '../tidy/purity.ts'
import { nameRule, openingRule, sizeRule } from '../tidy/shape.ts'
import { toSource } from '../tidy/source.ts'
import { followCurl } from './curl.ts'
import { applyDiff, blocksOf, projectFolder, readPage } from './markdown.ts'

const run = promisify(execFile)
const blocks = blocksOf(readPage('docs/guides/add-a-service.md'))
const files = blocks.filter(({ language, path }) => language === 'ts' && path !== undefined)
/** A runner that believes itself inside another one would run nothing. */
const { NODE_TEST_CONTEXT: _, ...environment } = process.env
const folder = mkdtempSync(join(tmpdir(), 'lonja-add-a-service-'))

/** A copy of the project, so that other tests do not see the new service. */
function copyProject(): void {
  cpSync(join(projectFolder, 'src'), join(folder, 'src'), { recursive: true })
  for (const name of ['package.json', 'tsconfig.json']) cpSync(join(projectFolder, name), join(folder, name))
  symlinkSync(join(projectFolder, 'node_modules'), join(folder, 'node_modules'), 'junction')
}

function writeBlocks(): void {
  for (const { language, path, text } of blocks) {
    if (path === undefined) continue
    const target = join(folder, path)
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, language === 'diff' ? applyDiff(readFileSync(target, 'utf8'), text) : text)
  }
}

/** Changes the first such place of the handlers while the work is done. */
async function withChange([from, to]: readonly [string, string], work: () => Promise<void>): Promise<void> {
  const path = join(folder, 'src/services/gifts/gift.ts')
  const sound = readFileSync(path, 'utf8')
  assert.ok(sound.includes(from), `the guide has no ${from}`)
  writeFileSync(path, sound.replace(from, to))
  await work().finally(() => writeFileSync(path, sound))
}

interface Story {
  readonly entries: readonly { readonly service: string; readonly name: string; readonly cause?: string }[]
}

/** Starts the command of the guide on a free port, and gives the address that it prints. */
async function serve() {
  const server = spawn(process.execPath, ['src/main.ts', 'serve', '--store', 'sqlite::memory:', '--port', '0'], {
    cwd: folder,
    env: { ...environment, LONJA_LOG_LEVEL: 'error' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let complaints = ''
  server.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  const stop = async () => {
    if (server.exitCode === null && server.signalCode === null && server.kill()) await once(server, 'exit')
  }
  for await (const line of createInterface(server.stdout)) {
    const address = /(http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1]
    if (address !== undefined) return { address, stop }
  }
  return assert.fail(`the server ended without saying where it serves: ${complaints}`)
}

suite('the guide to a new service', () => {
  before(() => {
    copyProject()
    writeBlocks()
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('has the files of a service, and names the commands that this test runs', () => {
    assert.deepEqual(
      files.map(({ path }) => path?.replace('src/services/gifts/', '')),
      ['contract.ts', 'gift.ts', 'routes.ts', 'service.ts', 'gifts.test.ts'],
    )
    const commands = new Set(blocks.filter(({ language }) => language === 'sh').flatMap(({ text }) => text.split('\n')))
    for (const command of [
      'node_modules/.bin/tsc',
      'node_modules/node/bin/node --test src/services/gifts/gifts.test.ts',
      'npm run lonja -- serve --store sqlite::memory:',
    ]) {
      assert.ok(commands.has(command), command)
    }
  })

  test('keeps the rules of the project', () => {
    const rules = [importRule, purityRule, sizeRule, nameRule, openingRule]
    const sources = files.map(({ path = '', text }) => toSource(path, text))
    const findings = sources.flatMap((source) => rules.flatMap((rule) => rule(source)))
    assert.deepEqual(findings, [], describeFindings(findings))
  })

  test('is sound to the compiler, which refuses what a handler does not list', { timeout: 120_000 }, async () => {
    const tsconfig = JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8')) as object
    const narrow = { ...tsconfig, include: ['src/services/gifts', 'src/services.ts'] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(narrow))
    const tsc = () => run(process.execPath, ['node_modules/typescript/bin/tsc'], { cwd: folder, env: environment })
    await tsc()
    await withChange(['says: [GiftWrapped],', 'says: [WriteNote],'], () => {
      return assert.rejects(tsc(), ({ stdout }: { readonly stdout: string }) => stdout.includes('gifts/gift.ts'))
    })
  })

  test('is refused at the start with a sentence when it says the event of another service', async () => {
    await withChange(['says: [],', 'says: [OrderConfirmed],'], () => {
      return assert.rejects(serve(), /gifts says OrderConfirmed but does not list it under publishes\./)
    })
  })

  test('passes its own tests', { timeout: 60_000 }, async () => {
    const { stdout } = await run(process.execPath, ['--test', 'src/services/gifts/gifts.test.ts'], {
      cwd: folder,
      env: environment,
    })
    assert.match(stdout, /pass 3\b/)
  })

  test('answers as it promises, and its part of the story is told with its cause', { timeout: 60_000 }, async () => {
    const { address, stop } = await serve()
    try {
      const answers = await followCurl(blocks, address)
      assert.deepEqual(
        answers.map(({ status }) => status),
        [201, 201, 201, 200, 202, 200, 409, 200],
      )
      const story = answers.at(-1)?.body as Story | undefined
      const wrapped = story?.entries.filter(({ name }) => name === 'GiftWrapped') ?? []
      assert.equal(wrapped.length, 1)
      assert.equal(wrapped[0]?.service, 'gifts')
      assert.ok(wrapped[0]?.cause, 'GiftWrapped is told without its cause')
      const api = (await (await fetch(`${address}/openapi.json`)).json()) as { readonly paths: object }
      assert.ok('/v1/gifts/{orderId}' in api.paths)
    } finally {
      await stop()
    }
  })
})
