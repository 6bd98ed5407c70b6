// The CSV reader: RFC 4180 whatever the chunks, and a clear sentence for files it cannot read.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { ImportFileError, isDamaged, parseCsv, readCsv } from './csv.ts'

async function collected(rows: AsyncIterable<string[]>): Promise<string[][]> {
  const all: string[][] = []
  for await (const row of rows) all.push(row)
  return all
}

function rowsOf(...chunks: string[]): Promise<string[][]> {
  return collected(parseCsv(chunks, 'orders.csv'))
}

async function rowsOfFile(bytes: Uint8Array | string, name = 'orders.csv'): Promise<string[][]> {
  const folder = await mkdtemp(join(tmpdir(), 'lonja-csv-'))
  try {
    await writeFile(join(folder, name), bytes)
    return await collected(readCsv(join(folder, name)))
  } finally {
    await rm(folder, { recursive: true })
  }
}

function rejects(promise: Promise<unknown>, message: RegExp): Promise<void> {
  return assert.rejects(promise, (error) => error instanceof ImportFileError && message.test(error.message))
}

test('lines end in LF, CRLF or the end of the text, and blank lines are left out', async () => {
  assert.deepEqual(await rowsOf('a,b\nc,d\r\n\r\n\ne,\r\n,f'), [
    ['a', 'b'],
    ['c', 'd'],
    ['e', ''],
    ['', 'f'],
  ])
  assert.deepEqual(await rowsOf(''), [])
})

test('quoted fields hold commas, quotes and line breaks', async () => {
  const text = 'a,"b, ""c""\r\nd",e\n"",""""\r\nplain,"last"'
  assert.deepEqual(await rowsOf(text), [
    ['a', 'b, "c"\r\nd', 'e'],
    ['', '"'],
    ['plain', 'last'],
  ])
})

test('a quote inside a plain field is just a quote', async () => {
  assert.deepEqual(await rowsOf('nail 5", steel,1\nx,y'), [
    ['nail 5"', ' steel', '1'],
    ['x', 'y'],
  ])
})

test('text after a closing quote breaks its own row only', async () => {
  assert.deepEqual(await rowsOf('a,"b" c,d\ne,f\n"g"\rh\ni\n'), [[], ['e', 'f'], [], ['i']])
})

test('a quote that is never closed is named with its row', async () => {
  await rejects(rowsOf('a,b\nc,"d\ne,f\n'), /^orders\.csv: row 2 has a quote that is never closed/)
  await rejects(rowsOf('a,b\n', 'c,"d\n', 'e,f\n'.repeat(20_000), '","'), /row 2 has a quote/)
  await rejects(rowsOf(`a,b\nc,"d\n${'e,f\n'.repeat(20_000)}g,"h"\n`), /row 2 has a quote/)
})

test('any table comes back as it was written, however it is cut into chunks', async () => {
  const field = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', 'é', ' ', '1') })
  const table = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 6 })
  const cuts = fc.array(fc.nat(), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(table, cuts, fc.boolean(), fc.constantFrom('\n', '\r\n'), async (rows, places, all, lineBreak) => {
      const text = rows.map((row) => row.map((value) => written(value, all)).join(',') + lineBreak).join('')
      const ends = [...places.map((place) => place % (text.length + 1)), text.length].toSorted((a, b) => a - b)
      const chunks = ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end))
      assert.deepEqual(await rowsOf(...chunks), rows)
    }),
    { numRuns: 500 },
  )
})

function written(value: string, always: boolean): string {
  return always || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

test('a file is read plain or gzipped, whatever its name, without its byte order mark', async () => {
  const text = '\uFEFFname,price\ncafé,"1"\n'
  const rows = [
    ['name', 'price'],
    ['café', '1'],
  ]
  assert.deepEqual(await rowsOfFile(text), rows)
  assert.deepEqual(await rowsOfFile(gzipSync(text), 'orders.csv.gz'), rows)
  assert.deepEqual(await rowsOfFile(gzipSync(text), 'orders.csv'), rows)
  assert.deepEqual(await rowsOfFile(text, 'orders.csv.gz'), rows)
  assert.deepEqual(await rowsOfFile(''), [])
})

test('characters cut by the end of a chunk are whole again', async () => {
  const row = ['é'.repeat(50), '€']
  const text = `x${`${row.join(',')}\n`.repeat(5000)}`
  const rows = await rowsOfFile(text)
  assert.equal(rows.length, 5000)
  assert.deepEqual(
    rows.slice(1),
    Array.from({ length: 4999 }, () => row),
  )
})

test('broken UTF-8 damages its own row only', async () => {
  const bytes = Buffer.concat([
    Buffer.from('a,b\nc'),
    Buffer.from([0xe2, 0x82]),
    Buffer.from(',d\ne,f\n'),
    Buffer.from([0xff]),
  ])
  const rows = await rowsOfFile(bytes)
  assert.deepEqual(rows.map(isDamaged), [false, true, false, true])
  assert.deepEqual(rows[1]?.slice(1), ['d'])
})

test('UTF-16, a cut gzip and a missing file are one clear sentence', async () => {
  await rejects(
    rowsOfFile(Buffer.from('\uFEFFa,b\n', 'utf16le')),
    /orders\.csv is UTF-16; save it as UTF-8 and try again\.$/,
  )
  await rejects(rowsOfFile(new Uint8Array([0xfe, 0xff, 0, 97])), /is UTF-16/)
  const zipped = gzipSync('a,b\n'.repeat(1000))
  await rejects(
    rowsOfFile(zipped.subarray(0, zipped.length - 9)),
    /orders\.csv cannot be read: unexpected end of file\.$/,
  )
  await rejects(collected(readCsv(join(tmpdir(), 'no-such-file.csv'))), /cannot be read: ENOENT/)
})
