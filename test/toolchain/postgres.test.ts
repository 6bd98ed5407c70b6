// Proves the starter of the real PostgreSQL: fresh databases, crashes that lose nothing, and nothing left behind.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { Client } from 'pg'
import { sharedPostgres, startPostgres } from '../../src/testing/postgres.ts'

async function query(url: string, text: string): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: url })
  // A killed server says so on the connection as well as to the query.
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}

test('each caller of the shared server gets an empty database of his own', async () => {
  const [one, two] = [await sharedPostgres(), await sharedPostgres()]
  assert.notEqual(one, two)
  await query(one, 'CREATE TABLE a (b int)')
  const tables = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
  assert.deepEqual(await query(two, tables), [])
  assert.deepEqual(await query(one, tables), [{ table_name: 'a' }])
})

test('the server is PostgreSQL 18 in UTF-8, UTC and the C locale', async () => {
  const [row] = await query(
    await sharedPostgres(),
    `SELECT current_setting('server_version') AS version, current_setting('server_encoding') AS encoding,
       current_setting('TimeZone') AS zone, datcollate AS locale FROM pg_database WHERE datname = current_database()`,
  )
  assert.deepEqual(row, { version: '18.4', encoding: 'UTF8', zone: 'UTC', locale: 'C' })
})

test('a killed server comes back on the same address with all that it committed', async () => {
  const server = await startPostgres({ durable: true })
  try {
    const url = await server.createDatabase('ledger')
    await query(url, 'CREATE TABLE a AS SELECT 1 AS b')
    await server.kill()
    await assert.rejects(query(url, 'SELECT 1'), /ECONNREFUSED/)
    await server.restart()
    assert.deepEqual(await query(url, 'SELECT b FROM a'), [{ b: 1 }])
    assert.deepEqual(await query(url, `SELECT current_setting('fsync') AS fsync`), [{ fsync: 'on' }])
    const copy = await server.createDatabase('copy', 'ledger')
    assert.deepEqual(await query(copy, 'SELECT b FROM a'), [{ b: 1 }])
  } finally {
    await server.stop()
  }
})

test('stopping removes the folder, and a stopped server says what happened to it', async () => {
  const server = await startPostgres()
  const [row] = (await query(server.url, `SELECT current_setting('data_directory') AS folder`)) as { folder: string }[]
  assert.ok(row && existsSync(row.folder))
  await server.stop()
  await server.stop()
  assert.equal(existsSync(join(row.folder, '..')), false)
  await assert.rejects(server.restart(), /the server was stopped/)
})

test('a named folder is kept, and found again by the next start', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-named-'))
  const askOnce = async (text: string) => {
    const server = await startPostgres({ folder })
    try {
      return await query(server.url, text)
    } finally {
      await server.stop()
    }
  }
  try {
    await askOnce('CREATE TABLE a AS SELECT 1 AS b')
    assert.deepEqual(await askOnce('SELECT b FROM a'), [{ b: 1 }])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a server that cannot start, and a name that cannot be, are refused with a sentence', async () => {
  await assert.rejects(startPostgres({ settings: { nonsense: '1' } }), /did not start: .*unrecognized .* "nonsense"/s)
  const folder = mkdtempSync(join(tmpdir(), 'lonja-file-'))
  try {
    writeFileSync(join(folder, 'file'), '')
    await assert.rejects(startPostgres({ folder: join(folder, 'file') }), /did not start: .*file already exists/s)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const server = await startPostgres()
  try {
    await assert.rejects(server.createDatabase('Not-A-Name'), /cannot name a database/)
    await server.createDatabase('twice')
    await assert.rejects(server.createDatabase('twice'), /"twice" could not be made: .*already exists/)
  } finally {
    await server.stop()
  }
})

test('kill -9 of the process that started it leaves neither server nor folder', { timeout: 60_000 }, async () => {
  const module = JSON.stringify(import.meta.resolve('../../src/testing/postgres.ts'))
  const text = `const { startPostgres } = await import(${module})
    console.log((await startPostgres()).url)
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', text], { stdio: 'pipe' })
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const [row] = (await query(url, `SELECT current_setting('data_directory') AS folder`)) as { folder: string }[]
  assert.ok(row && existsSync(row.folder))
  child.stderr.resume()
  child.kill('SIGKILL')
  // The guard holds its parent's standard error, which closes when the guard is through.
  await once(child, 'close')
  assert.equal(existsSync(join(row.folder, '..')), false)
  await assert.rejects(query(url, 'SELECT 1'), /ECONNREFUSED/)
})
