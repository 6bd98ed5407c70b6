// Does what the README says for a first order, against a server in memory, and compares what the README shows.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import metadata from '../../package.json' with { type: 'json' }
import { startApp } from '../../src/app.ts'
import { resolveSettings } from '../../src/platform/settings.ts'
import { followCurl } from './curl.ts'
import { blocksOf, readPage } from './markdown.ts'

const page = readPage('README.md')
const blocks = blocksOf(page)

interface Story {
  readonly entries: readonly { readonly what: string; readonly name: string; readonly service: string }[]
}

suite('the README', () => {
  test('leads from a client to a confirmed order, its story and the stock that is left', async () => {
    const flags = ['--port', '0', '--store', 'sqlite::memory:', '--log-level', 'silent']
    const app = await startApp(resolveSettings(flags, {}).settings)
    try {
      const answers = await followCurl(blocks, app.address)
      assert.deepEqual(
        answers.map(({ status }) => status),
        [201, 201, 201, 200, 200],
      )
      const { entries } = (answers[3]?.body ?? { entries: [] }) as Story
      const events = entries.filter(({ what }) => what === 'event').map(({ name }) => name)
      // The road that the picture shows, in its order.
      const road = [
        'OrderPlaced',
        'StockReserved',
        'PaymentCaptured',
        'StockCommitted',
        'ShipmentBooked',
        'OrderConfirmed',
      ]
      assert.deepEqual(
        events.filter((name) => road.includes(name)),
        road,
      )
      for (const step of [...road, 'ReserveStock', 'CapturePayment', 'CommitStock', 'BookShipment']) {
        assert.ok(page.includes(step), `the picture lacks ${step}`)
      }
    } finally {
      await app.stop()
    }
  })

  test('names every dependency, and none that is not there', () => {
    const rows = page.slice(page.indexOf('## Dependencies')).match(/^\| `.*$/gm) ?? []
    const named = rows.flatMap((row) =>
      [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
    )
    const { dependencies, devDependencies, optionalDependencies } = metadata
    const used = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })
    const fits = (pattern: string, name: string) =>
      pattern.endsWith('/*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
    assert.deepEqual(
      used.filter((name) => !named.some((pattern) => fits(pattern, name))),
      [],
      'packages without a line',
    )
    assert.deepEqual(
      named.filter((pattern) => !used.some((name) => fits(pattern, name))),
      [],
      'lines without a package',
    )
  })

  test('names npm scripts that exist', () => {
    const named = [...page.matchAll(/npm run ([\w-]+)/g)].map(([, name = '']) => name)
    assert.deepEqual(
      named.filter((name) => !(name in metadata.scripts)),
      [],
    )
  })
})
