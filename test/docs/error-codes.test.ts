// Holds the codes together: what services refuse with, their catalogues, their routes, and the documentation.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { createCodeBook, platformCodes } from '../../src/platform/http/codes.ts'
import { operationCodes } from '../../src/platform/operations/service.ts'
import { services } from '../../src/services.ts'
import { projectFolder, readPage } from './markdown.ts'

const book = createCodeBook(services)
const documented = readPage('docs/reference/error-codes.md')
const rows = new Map(
  [...documented.matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \| (.*?) \|/gm)].map(([, code = '', status, title]) => {
    return [code, `${status} ${title?.replaceAll('\\|', '|')}`] as const
  }),
)

/** The codes that the sources of a service refuse with. */
function thrownBy(service: string): readonly string[] {
  const folder = join(projectFolder, 'src', 'services', service)
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .flatMap((path) => [
      ...readFileSync(join(folder, path), 'utf8').matchAll(/\b(?:new Refusal|refuse)\(([\s\S]{0,300})/g),
    ])
    .flatMap(([, rest = '']) => /'([A-Z]+_[A-Z_]+)'/.exec(rest)?.[1] ?? [])
}

suite('the error codes', () => {
  test('each code of a catalogue is documented with its status and its sentence', () => {
    for (const { code, status, title } of book.all) assert.equal(rows.get(code), `${status} ${title}`, code)
  })

  test('no code is documented that no catalogue has', () => {
    const known = new Set([...book.all.map(({ code }) => code), ...Object.keys(operationCodes)])
    const { operations = '' } = /\n## operations\n(?<operations>[\s\S]*)$/.exec(documented)?.groups ?? {}
    assert.deepEqual(
      [...rows.keys()].filter((code) => !known.has(code) && !operations.includes(`\`${code}\``)),
      [],
    )
  })

  for (const { name, codes, routes } of services) {
    const declared = new Set(routes.flatMap(({ rules }) => rules.codes ?? []))

    test(`${name}: each code of its catalogue is declared by one of its routes`, () => {
      assert.deepEqual(
        Object.keys(codes).filter((code) => !declared.has(code)),
        [],
      )
    })

    test(`${name}: each code that its routes declare stands in a catalogue`, () => {
      assert.deepEqual(
        [...declared].filter((code) => book.meaningOf(code, name) === undefined || code in platformCodes),
        [],
      )
    })

    test(`${name}: each code that it refuses with stands in its own catalogue`, () => {
      const unknown = thrownBy(name).filter((code) => !(code in codes) && book.meaningOf(code) === undefined)
      assert.deepEqual([...new Set(unknown)], [])
    })
  }

  test('each title says what happened, and ends as a sentence', () => {
    for (const { code, title } of book.all) assert.match(title, /^[A-Z`][\s\S]{10,}\.$/, code)
  })
})
