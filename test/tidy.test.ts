// Holds the whole project to the import rule, to purity and to the sizes and names of the style guide.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { describeFindings, type Rule } from './tidy/finding.ts'
import { importRule } from './tidy/import-rule.ts'
import { purityRule, settingsRule } from './tidy/purity.ts'
import { honestTestRule, nameRule, noPlansRule, openingRule, shortFiles, sizeRule } from './tidy/shape.ts'
import { readSources } from './tidy/source.ts'

const sources = readSources(join(import.meta.dirname, '..'))

const rules: readonly (readonly [string, Rule])[] = [
  ['each file imports only what its area may import', importRule],
  ['kernel and services know no clock, no dice, no timers and no environment', purityRule],
  ['settings are read in one place', settingsRule],
  ['files and lines keep their sizes', sizeRule],
  ['files and folders are named in kebab-case, and none is a barrel', nameRule],
  ['each file opens with a sentence that says what it is for', openingRule],
  ['no test is skipped, singled out or put to sleep', honestTestRule],
  ['no comment puts work off', noPlansRule],
]

for (const [name, rule] of rules) {
  test(name, () => {
    const findings = sources.flatMap((source) => rule(source))
    assert.ok(findings.length === 0, describeFindings(findings))
  })
}

test('the walk over the project finds its files', () => {
  const paths = new Set(sources.map(({ path }) => path))
  for (const path of ['test/tidy.test.ts', 'scripts/run.mjs', 'src/testing/postgres.ts']) {
    assert.ok(paths.has(path), `${path} was not found, so the rules looked at the wrong folder`)
  }
})

test('each reason for a short file belongs to a file that exists', () => {
  const paths = new Set(sources.map(({ path }) => path))
  assert.deepEqual(
    Object.keys(shortFiles).filter((path) => !paths.has(path)),
    [],
  )
})
