// Holds docs/reference to the code: whatever is declared stands there, as a fresh generation would write it.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, suite, test } from 'node:test'
import { referencePages } from '../../scripts/reference/pages.ts'
import { settingsTable } from '../../src/platform/settings/table.ts'
import { services } from '../../src/services.ts'
import { projectFolder } from './markdown.ts'

const ADVICE = 'docs/reference is not what the code declares: run `npm run reference` and look at the difference'
const folder = join(projectFolder, 'docs', 'reference')

suite('the reference', () => {
  let pages: ReadonlyMap<string, string> = new Map()
  before(async () => {
    pages = await referencePages()
  })

  test('has exactly the generated pages', () => {
    assert.deepEqual(readdirSync(folder).toSorted(), [...pages.keys()].toSorted(), ADVICE)
  })

  test('is what a fresh generation gives', () => {
    for (const [name, text] of pages) {
      const kept = readFileSync(join(folder, name), 'utf8').split('\n')
      const different = text.split('\n').findIndex((line, index) => line !== kept[index])
      const where = `${ADVICE}\n${name}, line ${different + 1}:\n- ${kept[different]}\n+ ${text.split('\n')[different]}`
      assert.ok(different === -1 && kept.length === text.split('\n').length, where)
    }
  })

  test('is the same each time it is generated', async () => {
    assert.deepEqual([...(await referencePages())], [...pages])
  })

  test('names every route, event, table and setting', () => {
    const has = (page: string, text: string) => assert.ok(pages.get(page)?.includes(text), `${page} lacks ${text}`)
    for (const { routes, publishes, entities, projections, aggregates } of services) {
      for (const { method, path } of routes) has('routes.md', `### ${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}\n`)
      for (const { type } of publishes) has('messages.md', `### ${type}\n`)
      for (const { name } of [...entities, ...projections, ...aggregates]) has('tables.md', `| \`${name}\` |`)
    }
    for (const name of Object.keys(settingsTable)) has('settings.md', `| \`${name}\` |`)
  })

  test('marks what contracts mark as personal, also inside lists and objects', () => {
    const marked = pages.get('messages.md')?.match(/^.*\*\*personal\*\* \|$/gm) ?? []
    for (const field of ['`email` | text (email)', '`taxId` | text, optional', '`addresses[].line1` | text']) {
      assert.ok(
        marked.some((line) => line.includes(field)),
        `${field} is not marked`,
      )
    }
  })
})
