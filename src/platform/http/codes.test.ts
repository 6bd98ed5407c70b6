// The catalogue of codes: each is used, each that is used stands in it, and one code means one thing.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { moneyCodes } from '../../kernel/money.ts'
import { createCodeBook, platformCodes } from './codes.ts'
import { FakeApplication, testServer, thingsCodes } from './fake-application.ts'
import { operationCodes } from '../operations/service.ts'

const platform = join(import.meta.dirname, '..')
const sources = readdirSync(platform, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
  .filter((path) => !['http/codes.ts', 'http/fake-application.ts'].includes(path))
  .map((path) => readFileSync(join(platform, path), 'utf8'))

test('each code of the catalogue is used somewhere', () => {
  const used = sources.join('\n')
  const idle = Object.keys(platformCodes).filter((code) => !new RegExp(`['"]${code}['"]`).test(used))
  assert.deepEqual(idle, [])
})

test('each code that the platform refuses with stands in the catalogue', () => {
  const thrown = /(?:new (?:Problem|Refusal)|\brefuse)\([^'"\n]*['"]([A-Z][A-Z_]+)['"]/g
  const used = sources.flatMap((text) => [...text.matchAll(thrown)].map(([, code]) => code ?? ''))
  assert.ok(used.length >= 15, `only ${used.length} places were found`)
  assert.deepEqual(
    [...new Set(used)].filter((code) => !(code in platformCodes) && !(code in operationCodes)),
    [],
  )
})

test('each meaning is one or two sentences', () => {
  for (const [code, { title }] of Object.entries(platformCodes)) assert.match(title, /^[A-Z`].*[.`]$/, code)
})

test('a code is looked up in its own service first, then everywhere', () => {
  const [first] = new FakeApplication().services
  assert.ok(first)
  const second = {
    ...first,
    name: 'other',
    codes: { THING_FINAL: { status: 409, title: 'Another sentence.' } as const },
    routes: [],
  }
  const codes = createCodeBook([first, second])
  assert.equal(codes.meaningOf('THING_FINAL', 'other')?.title, 'Another sentence.')
  assert.equal(codes.meaningOf('THING_FINAL')?.title, thingsCodes.THING_FINAL.title)
  assert.equal(codes.meaningOf('THING_UNKNOWN', 'other')?.status, 404)
  assert.equal(codes.meaningOf('AMOUNT_MALFORMED', 'other')?.title, moneyCodes.AMOUNT_MALFORMED.title)
  assert.equal(codes.meaningOf('NOBODYS'), undefined)
})

test('two services that give one code two statuses fail at the start', () => {
  const [first] = new FakeApplication().services
  assert.ok(first)
  const second = { ...first, name: 'other', codes: { THING_FINAL: { status: 422, title: 'x' } as const } }
  assert.throws(
    () => createCodeBook([first, second]),
    /THING_FINAL is declared by things \(409\) and other \(422\): give them one status, or two names\./,
  )
})

test('the type of a problem can be looked up', async () => {
  const { inject } = await testServer()
  assert.deepEqual((await inject('/problems/THING_FINAL')).json(), [
    { code: 'THING_FINAL', ...thingsCodes.THING_FINAL, service: 'things' },
  ])
  assert.equal((await inject('/problems/NOBODYS')).statusCode, 404)
})
