// NDJSON of orders: what a line may be, and that one broken line costs only itself.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { clientBody, clientIdOf } from './bodies.ts'
import { isOrderLines, readOrderLines } from './order-lines.ts'

const folder = mkdtempSync(join(tmpdir(), 'lonja-order-lines-'))
after(() => rmSync(folder, { recursive: true }))

let files = 0
function fileOf(content: string | Uint8Array): string {
  const path = join(folder, `${(files += 1)}`)
  writeFileSync(path, content)
  return path
}

async function read(content: string | Uint8Array) {
  const all = []
  for await (const line of readOrderLines(fileOf(content))) all.push(line)
  return all
}

test('each line is an order; blank lines and the end of the file mean nothing', async () => {
  assert.deepEqual(await read('{"reference":"1"}\r\n\n  {"reference":"2","items":[]}'), [
    { reference: '1' },
    { reference: '2', items: [] },
  ])
  assert.deepEqual(await read(''), [])
})

test('what is broken is told by its reason, and the rest goes on', async () => {
  const lines = ['{"reference":', '[1]', 'null', '{"reference":" "}', '{"reference":7}', '{}', '{"reference":"9"}']
  assert.deepEqual(await read(lines.join('\n')), [
    'no JSON',
    'no object',
    'no object',
    'no reference',
    'no reference',
    'no reference',
    { reference: '9' },
  ])
  const latin = Buffer.from('{"reference":"caf\u00e9"}\n{"reference":"2"}', 'latin1')
  assert.deepEqual(await read(latin), ['bad encoding', { reference: '2' }])
})

test('a gzipped file is read the same', async () => {
  assert.deepEqual(await read(gzipSync('{"reference":"1"}')), [{ reference: '1' }])
})

test('the first character tells the format', async () => {
  assert.equal(await isOrderLines(fileOf('\n\n {"reference":"1"}')), true)
  assert.equal(await isOrderLines(fileOf('InvoiceNo,StockCode\n')), false)
  assert.equal(await isOrderLines(fileOf('')), false)
})

test('a file without line ends does not fill the memory', async () => {
  await assert.rejects(read(`{"reference":"1","x":"${'x'.repeat(2_000_000)}`), /more than 1 MB/)
})

test('a number of the sample is the same client in every run', () => {
  assert.match(clientIdOf('17850'), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.equal(clientIdOf('17850'), clientIdOf('17850'))
  assert.notEqual(clientIdOf('17850'), clientIdOf('17851'))
  assert.equal(clientBody({ clientId: '17850', country: 'France' }).email, 'customer-17850@shop.example')
})
