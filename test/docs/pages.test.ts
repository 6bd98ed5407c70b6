// Holds the written pages to the project: links lead somewhere, named files, commands, settings and codes exist.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import metadata from '../../package.json' with { type: 'json' }
import { commands } from '../../src/cli/commands.ts'
import { createCodeBook } from '../../src/platform/http/codes.ts'
import { operationCodes } from '../../src/platform/operations/service.ts'
import type { Setting } from '../../src/platform/settings/parsers.ts'
import { settingsTable } from '../../src/platform/settings/table.ts'
import { services } from '../../src/services.ts'
import { CANCEL_REASONS } from '../../src/services/orders/contract.ts'
import { blocksOf, projectFolder, readPage } from './markdown.ts'

const ADR_LINES = 60
const folders = ['docs/guides', 'docs/adr', 'docs/explanation', 'docs/reference']
const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  ...folders.flatMap((folder) => readdirSync(join(projectFolder, folder)).map((name) => `${folder}/${name}`)),
].filter((path) => path.endsWith('.md'))
const sources = new Set(
  readdirSync(join(projectFolder, 'src'), { recursive: true, encoding: 'utf8' }).map((path) => basename(path)),
)
const exists = (path: string): boolean => existsSync(join(projectFolder, path))

/** Headings as GitHub makes anchors of them. */
function anchorsOf(page: string): ReadonlySet<string> {
  const headings = [...readPage(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading)
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

function brokenLinks(page: string): readonly string[] {
  const links = [...readPage(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
  return links.filter((link) => {
    if (/^https?:/.test(link)) return false
    const [path = '', anchor] = link.split('#')
    const target = path === '' ? page : join(dirname(page), path)
    return !exists(target) || (anchor !== undefined && !anchorsOf(target).has(anchor))
  })
}

const namesFiles = /`([\w./-]+\.(?:ts|md|mjs|json))`/g
/** Files that the guide to a new service makes. */
const isMade = (path: string): boolean => path.startsWith('src/services/gifts/')
/** A leading slash makes it an address of the server. */
const isAddress = (path: string): boolean => path.startsWith('/')

function missingFiles(page: string): readonly string[] {
  const named = [...readPage(page).matchAll(namesFiles)].map(([, path = '']) => path)
  return named.filter(
    (path) => !isMade(path) && !isAddress(path) && !exists(path) && (path.includes('/') || !sources.has(path)),
  )
}

/** `lonja NAME` and `npm run lonja -- NAME`, in blocks and in text. */
function unknownCommands(page: string): readonly string[] {
  const text = readPage(page)
  const codes = [...blocksOf(text).map((block) => block.text), ...(text.match(/(?<=`)[^`\n]+(?=`)/g) ?? [])]
  const called = codes.flatMap((code) => [...code.matchAll(/(?:^|\s)lonja (?:-- )?([a-z][a-z-]*)(?: ([a-z]+))?/gm)])
  const known = new Set(commands.map(({ name }) => name))
  return called.filter(([, one = '', two]) => !known.has(one) && !known.has(`${one} ${two}`)).map(([whole]) => whole)
}

const table: Readonly<Record<string, Setting<unknown>>> = settingsTable
const settingFlags = Object.values(table).map(({ flag }) => flag)
const commandFlags = commands.flatMap(({ flags }) => Object.keys(flags))
const variables = new Set(Object.values(table).flatMap(({ environment }) => environment))

function unknownFlags(page: string): readonly string[] {
  const lines = readPage(page).match(/(?:lonja|npm run demo) [^\n`]*--[^\n`]*/g) ?? []
  const flags = lines.flatMap((line) => [...line.matchAll(/\s--([a-z][a-z-]*)/g)].map(([, flag = '']) => flag))
  return flags.filter((flag) => ![...settingFlags, ...commandFlags, 'help', 'version'].includes(flag))
}

function unknownVariables(page: string): readonly string[] {
  const named = [...readPage(page).matchAll(/\b(LONJA_[A-Z_]+|STORE_URL\w*)\b/g)].map(([, name = '']) => name)
  return named.filter((name) => !variables.has(name) && !name.startsWith('STORE_URL_'))
}

const codes = new Set<string>([
  ...createCodeBook(services).all.map(({ code }) => code),
  ...Object.keys(operationCodes),
  ...CANCEL_REASONS,
])

suite('the pages', () => {
  for (const page of pages) {
    test(`${page}: its links lead somewhere, and the files that it names exist`, () => {
      assert.deepEqual([...brokenLinks(page), ...missingFiles(page)], [])
    })
  }

  for (const page of pages.filter((path) => !path.startsWith('docs/reference/'))) {
    test(`${page}: its commands, flags and variables exist`, () => {
      assert.deepEqual([...unknownCommands(page), ...unknownFlags(page), ...unknownVariables(page)], [])
    })
  }

  test('npm scripts that pages name exist', () => {
    const named = pages.flatMap((page) =>
      [...readPage(page).matchAll(/npm run ([\w-]+)/g)].map(([, name = '']) => name),
    )
    assert.deepEqual(
      named.filter((name) => !(name in metadata.scripts)),
      [],
    )
  })

  test('codes of refusals and reasons of cancellations that guides name exist', () => {
    const named = pages
      .filter((page) => page.startsWith('docs/guides/') && !page.endsWith('add-a-service.md'))
      .flatMap((page) => [...readPage(page).matchAll(/`([A-Z]+_[A-Z_]+)`/g)].map(([, code = '']) => code))
      .filter((code) => !/^(?:LONJA|STORE|APP|MODULES|KAFKA)_/.test(code))
    assert.deepEqual(
      named.filter((code) => !codes.has(code)),
      [],
    )
  })

  test('metrics that guides name exist', () => {
    const telemetry = readdirSync(join(projectFolder, 'src/platform/telemetry'))
    const text = telemetry.map((name) => readPage(`src/platform/telemetry/${name}`)).join('\n')
    const named = pages
      .filter((page) => page.startsWith('docs/guides/'))
      .flatMap((page) => [...readPage(page).matchAll(/`(lonja_[a-z_]+)/g)].map(([, name = '']) => name))
    assert.deepEqual(
      named.filter((name) => !text.includes(`'${name}'`)),
      [],
    )
  })

  test('decisions are numbered in a row, shorter than a page, with a context and a decision', () => {
    const decisions = pages.filter((path) => path.startsWith('docs/adr/'))
    for (const [index, path] of decisions.toSorted().entries()) {
      const number = String(index + 1).padStart(4, '0')
      assert.equal(basename(path).slice(0, 4), number)
      const text = readPage(path)
      assert.ok(text.startsWith(`# ${index + 1}. `), `${path} opens with another number`)
      assert.ok(text.split('\n').length <= ADR_LINES, `${path} is longer than ${ADR_LINES} lines`)
      for (const heading of ['## Context', '## Decision', '## Consequences']) {
        assert.ok(text.includes(heading), `${path} lacks ${heading}`)
      }
    }
  })
})
