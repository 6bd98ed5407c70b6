// Proves that every test file ran to its end. In one process Node 24 swallows an error that a file throws after its
// first test, and a test that calls process.exit(0) ends the whole run: both times the missing tests count as passed.
import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { resolve } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'

let isOver = false
after(() => {
  isOver = true
})
process.on('exit', () => {
  if (isOver) return
  console.error('The run of the tests was cut short: something called process.exit before the last test was through.')
  process.exitCode = 1
})

// Listed while the files load: one that is written later is no part of this run.
const files = globSync(process.argv.slice(1)).toSorted()

test('every test file of this run loads to its end', async () => {
  assert.ok(files.length > 0, 'the runner names no test files')
  for (const file of files) {
    // The runner has loaded it already; a file that failed to load fails here again, with its own error.
    await import(pathToFileURL(resolve(file)).href)
  }
})
