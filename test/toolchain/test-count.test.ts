// Holds the number of tests above a floor, since a glob that matches nothing exits with 0.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isTest, readSources } from '../tidy/source.ts'

/**
 * The calls of `test(` in all test files. Raise it when the real number, which a failure prints, has grown by fifty;
 * lower it only in the commit that deletes tests, and say there why they were not needed.
 */
const testsMinimum = 1430

const projectFolder = join(import.meta.dirname, '..', '..')
const readTestFiles = () => readSources(projectFolder).filter(({ path }) => isTest(path))

test('there are no fewer tests than there were', () => {
  const testFiles = readTestFiles()
  const count = testFiles.reduce((sum, { code }) => sum + [...code.matchAll(/(?<![.\w])test\s*\(/g)].length, 0)
  assert.ok(
    count >= testsMinimum,
    `${count} tests were found in ${testFiles.length} files, and ${testsMinimum} should be`,
  )
})

test('npm test names every test file', () => {
  const { scripts } = JSON.parse(readFileSync(join(projectFolder, 'package.json'), 'utf8')) as {
    readonly scripts: { readonly test: string }
  }
  const globs = [...scripts.test.matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? '')
  const matched = globSync(globs, { cwd: projectFolder }).map((path) => path.replaceAll('\\', '/'))
  assert.deepEqual(
    matched.toSorted(),
    readTestFiles().map(({ path }) => path),
  )
})
