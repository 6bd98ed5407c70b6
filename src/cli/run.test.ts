// The command line without a process of its own: help, suggestions, settings, and sentences instead of stacks.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openSqlite } from '../platform/store/sqlite.ts'
import { commands } from './commands.ts'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'lonja-run-'))
after(() => rmSync(folder, { recursive: true }))

interface Told {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function told(argv: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Told> {
  const written = { out: '', err: '' }
  const sink = (name: 'out' | 'err') => ({ columns: 80, write: (text: string) => void (written[name] += text) })
  const code = await run({ argv, environment, readEnvFile: () => '', out: sink('out'), err: sink('err') })
  return { code, ...written }
}

test('--help lists every command, and each of them tells more', async () => {
  const { code, out, err } = await told(['--help'])
  assert.deepEqual([code, err], [0, ''])
  for (const { name, summary, flags } of commands) {
    assert.ok(out.includes(summary), `${name} is missing`)
    const help = await told([...name.split(' '), '--help'])
    assert.equal(help.code, 0)
    assert.ok(help.out.startsWith(`Usage: lonja ${name}`))
    for (const flag of Object.keys(flags)) assert.ok(help.out.includes(`--${flag}`), `${name} --${flag}`)
    assert.equal((await told(['help', ...name.split(' ')])).out, help.out)
  }
})

test('without a command the help comes as an error', async () => {
  const { code, out, err } = await told([])
  assert.deepEqual([code, out], [2, ''])
  assert.match(err, /Usage: lonja COMMAND/)
})

test('a mistyped command, half a command and a mistyped flag are told with what was probably meant', async () => {
  const mistakes: readonly (readonly [string, RegExp])[] = [
    ['srve', /There is no command srve\. Did you mean serve\?/],
    ['quantum', /There is no command quantum\. `lonja --help` lists them\./],
    ['import', /import alone is no command: write lonja import orders FILE/],
    ['order --jsno', /Did you mean --json\?/],
    ['order', /ID is missing\. Write `lonja order ID`/],
    ['order one two', /two is too much/],
    ['topics all', /all means nothing here/],
    ['rebuild', /PROJECTION is missing: one of .*orders\.order_list/],
    ['demo --orders none', /--orders is "none": write a whole number above 0/],
    ['settings --port x --log-level loud', /--port is "x".*\n.*--log-level is "loud"/],
    ['serve --services ordres', /There is no service ordres\. Did you mean orders\?/],
  ]
  for (const [line, sentence] of mistakes) {
    const { code, out, err } = await told(line.split(' '))
    assert.deepEqual([code, out], [2, ''], line)
    assert.match(err, sentence)
    assert.doesNotMatch(err, /\n\s+at /)
  }
})

test('settings tell value and source, and no secret', async () => {
  const environment = { PORT: '9001', STORE_URL: 'postgres://lonja:s3cret@db/lonja', LONJA_API_KEYS: 'me admin 00' }
  const { code, out } = await told(['settings', '--json', '--log-level', 'warn'], environment)
  const settings = JSON.parse(out) as Record<string, { readonly value: string; readonly source: string }>
  const shown = (name: string) => [settings[name]?.value, settings[name]?.source]
  assert.equal(code, 0)
  assert.deepEqual(shown('port'), ['9001', 'PORT'])
  assert.deepEqual(shown('logLevel'), ['warn', '--log-level'])
  assert.deepEqual(shown('store'), ['postgres://lonja:***@db/lonja', 'STORE_URL'])
  assert.deepEqual(shown('host'), ['127.0.0.1', 'default'])
  assert.doesNotMatch(out + (await told(['settings'], environment)).out, /s3cret|admin 00/)
})

test('topics name their messages with their keys', async () => {
  assert.match((await told(['topics'])).out, /orders\.events .* OrderPlaced\(orderId\)/)
  const { topics } = JSON.parse((await told(['topics', '--json'])).out) as { topics: { name: string }[] }
  assert.ok(topics.some(({ name }) => name === 'inventory.commands'))
})

test('a database that is not there, empty or of another kind is told in a sentence', async () => {
  const missing = await told(['describe', '--store', `sqlite:${join(folder, 'none.sqlite')}`])
  assert.equal(missing.code, 1)
  assert.match(missing.err, /There is no database at .*none\.sqlite\. Start `lonja serve` once/)
  const path = join(folder, 'empty.sqlite')
  await openSqlite({ path }).close()
  assert.match((await told(['order', '1', '--store', `sqlite:${path}`])).err, /holds no Lonja yet/)
  assert.match((await told(['describe', '--store', 'sqlite::memory:'])).err, /lies in its server's memory/)
})

test('nobody at the address is told with what to do', async () => {
  const { code, err } = await told(['rebuild', 'order_list', '--url', 'http://127.0.0.1:1'])
  assert.equal(code, 1)
  assert.match(err, /No Lonja answers at http:\/\/127\.0\.0\.1:1 .*ECONNREFUSED.*`lonja serve`/)
})
