// Proves that a failing test makes the test command fail, also where PostgreSQL runs beside it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const postgresModule = JSON.stringify(import.meta.resolve('../../src/testing/postgres.ts'))
const passing = "import { test } from 'node:test'\ntest('passes', () => {})\n"
const failing = "import { test } from 'node:test'\ntest('fails', () => { throw new Error('on purpose') })\n"
const unloadable = "import './on purpose.mjs'\n"
const wholeRunModule = JSON.stringify(import.meta.resolve('./whole-run.test.ts'))
const crashing = `import ${wholeRunModule}\n${passing}throw new Error('on purpose')\n`
const exits = "test('leaves', () => { console.error('on purpose'); process.exit(0) })\n"
const leaving = `import ${wholeRunModule}\n${passing}${exits}`
const withPostgresImported = `import ${postgresModule}\n`
const withPostgresStarted = `
import { sharedPostgres } from ${postgresModule}
import { test as first } from 'node:test'
first('starts', async () => { await sharedPostgres() })
`

/** Runs a file as `npm test` runs all files, and returns the exit code and what it printed. */
function runAsTest(text: string): { readonly code: number | null; readonly output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-exit-code-'))
  try {
    writeFileSync(join(folder, 'sample.test.mjs'), text)
    const environment = { ...process.env }
    // A runner that believes itself inside another one would run nothing.
    delete environment['NODE_TEST_CONTEXT']
    const result = spawnSync(process.execPath, ['--test', '--test-isolation=none', '*.test.mjs'], {
      cwd: folder,
      env: environment,
      encoding: 'utf8',
      timeout: 60_000,
    })
    return { code: result.status, output: result.stdout + result.stderr }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const samples = [
  ['a passing test', passing, 0],
  ['a failing test', failing, 1],
  ['a file that cannot be loaded', unloadable, 1],
  ['a crash in the middle of a file', crashing, 1],
  ['a test that ends the process', leaving, 1],
  ['a passing test beside the PostgreSQL module', withPostgresImported + passing, 0],
  ['a failing test beside the PostgreSQL module', withPostgresImported + failing, 1],
  ['a passing test beside a running PostgreSQL', withPostgresStarted + passing, 0],
  ['a failing test beside a running PostgreSQL', withPostgresStarted + failing, 1],
  ['a crash beside the PostgreSQL module', withPostgresImported + crashing, 1],
] as const

for (const [name, text, expected] of samples) {
  test(`${name} gives exit code ${expected}`, () => {
    const { code, output } = runAsTest(text)
    assert.equal(code, expected, output)
    // Otherwise a sample that never ran would pass for a failing one.
    assert.match(output, expected === 0 ? /pass [12]\b/ : /on purpose/)
  })
}
