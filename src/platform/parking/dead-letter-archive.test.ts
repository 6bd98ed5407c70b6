// The archive of dead letters: old ones go to a file, whole and once on the disk before they leave the database.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { TroubledOptions } from '../../testing/troubled-ledger.ts'
import { startTroubledLedger } from '../../testing/troubled-ledger.ts'
import type { Alert } from '../alerts/alert.ts'
import type { Plan, Store } from '../ports.ts'
import { StoreUnavailable } from '../ports.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { DeadLetterArchive } from './dead-letter-archive.ts'
import { deadLetterHeaders } from './dead-letter-headers.ts'
import { deadLetterIn } from './dead-letter.ts'
import { readUnhandled } from './stored-parking.ts'

const DAY_MS = 86_400_000
const RETENTION_MS = 30 * DAY_MS

type Line = Readonly<Record<string, unknown>>

/** @param beforeCommit sees each plan of the archive and may make its commit fail. */
async function openArchived(
  options: TroubledOptions = {},
  beforeCommit: (plan: Plan) => Promise<void> = async () => {},
) {
  const ledger = await startTroubledLedger({ bad: ['a', 'b', 'c'], thrown: () => new TypeError('never'), ...options })
  const folder = mkdtempSync(join(tmpdir(), 'lonja-archive-'))
  const raised: Alert[] = []
  const lines: string[] = []
  const metrics = createMetrics()
  const { lonja, clock } = ledger
  const archive = new DeadLetterArchive({
    registry: lonja.registry,
    databases: lonja.runtimes.map(({ options: { store, membership, hosted } }) => {
      return { store: watching(store, beforeCommit), membership, services: hosted }
    }),
    clock,
    newId: () => lonja.newId(),
    retentionMs: RETENTION_MS,
    folder,
    isOurs: () => true,
    raise: (alert) => void raised.push(alert),
    telemetry: {
      metrics,
      log: createLogger({ level: 'info', format: 'json', destination: { write: (line) => void lines.push(line) } }),
    },
  })
  return {
    ...ledger,
    archive,
    folder,
    raised,
    lines,
    metrics,
    /** Every archived line of all files, the oldest file first. */
    archived: () => archivedIn(folder),
    stop: async () => {
      await archive.stop()
      await ledger.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

function archivedIn(folder: string): Line[] {
  const names = readdirSync(folder).toSorted()
  const text = names.map((name) => gunzipSync(readFileSync(join(folder, name))).toString()).join('')
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]))
}

function watching(store: Store, beforeCommit: (plan: Plan) => Promise<void>): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (name !== 'begin') return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)
      return async () => {
        const transaction = await target.begin()
        return {
          load: transaction.load.bind(transaction),
          release: transaction.release.bind(transaction),
          commit: async (plan: Plan) => {
            await beforeCommit(plan)
            return transaction.commit(plan)
          },
        }
      }
    },
  })
}

suite('letters that are old enough', () => {
  test('go to a file with all that they carry, and a line stays that names it', async () => {
    const shop = await openArchived({ parking: { whenDead: 'skip' } })
    await shop.post('a', 1, 'a memo')
    await shop.pass(0)
    const [row] = await shop.rows('dead_letters')
    const letter = deadLetterIn(row!)
    await shop.pass(RETENTION_MS)
    await shop.archive.run()
    assert.deepEqual(shop.archived(), [])
    await shop.pass(1)
    await shop.archive.run()
    const archivedAt = shop.clock.now()
    const whole = { service: 'ledger', ...letter, headers: deadLetterHeaders(letter), archivedAt }
    assert.deepEqual(shop.archived(), JSON.parse(JSON.stringify([whole])))
    assert.match(letter.record, /"memo":"a memo"/)
    assert.deepEqual(await shop.rows('dead_letters'), [])
    const [name = ''] = readdirSync(shop.folder)
    const [line] = await shop.rows('archived_letters')
    assert.deepEqual([line?.['id'], line?.['file']], [letter.id, join(shop.folder, name)])
    assert.match(name, /^dead-letters-2026-03-03T120000-\w{8}\.ndjson\.gz$/)
    assert.equal(statSync(join(shop.folder, name)).mode & 0o777, 0o600)
    assert.ok(shop.lines.some((each) => each.includes('Dead letters were archived') && each.includes('"count":1')))
    assert.match(await shop.metrics.text(), /lonja_dead_letters_archived_total\{service="ledger"\} 1/)
    const known = await readUnhandled(shop.store, 'ledger')
    assert.deepEqual(
      known.map(({ key, state }) => `${key} ${state}`),
      ['a archived'],
    )
    await shop.stop()
  })

  test('go by many batches, and a look that finds none leaves no file', async () => {
    const shop = await openArchived({ parking: { whenDead: 'skip' } })
    await shop.archive.run()
    assert.deepEqual(readdirSync(shop.folder), [])
    for (let entry = 0; entry < 250; entry += 1) await shop.post('a', entry)
    await shop.pass(RETENTION_MS + 1)
    await shop.archive.run()
    assert.equal(new Set(shop.archived().map(({ id }) => id)).size, 250)
    assert.equal(readdirSync(shop.folder).length, 1)
    assert.deepEqual(await shop.rows('dead_letters'), [])
    await shop.stop()
  })

  test('of a projection are handled after all when its table is made anew', async () => {
    const state = { isBroken: true }
    const shop = await openArchived({
      bad: [],
      parking: { projections: { whenDead: 'skip' } },
      foldTrouble: () => {
        if (state.isBroken) throw new TypeError('never')
      },
    })
    await shop.post('a', 1)
    await shop.pass(RETENTION_MS + 1)
    await shop.archive.run()
    assert.equal((await readUnhandled(shop.store, 'ledger')).length, 1)
    state.isBroken = false
    await shop.lonja.rebuilds.start('ledger.postings')
    await shop.pass(60_000)
    assert.deepEqual(await shop.folded('a'), [1])
    assert.deepEqual(await readUnhandled(shop.store, 'ledger'), [])
    await shop.stop()
  })

  test('go by themselves, an hour apart', async () => {
    const shop = await openArchived({ parking: { whenDead: 'skip' } })
    await shop.post('a', 1)
    await shop.pass(RETENTION_MS - 1)
    shop.archive.start()
    await shop.pass(60_000)
    await shop.archive.stop()
    assert.equal(shop.archived().length, 1)
    await shop.stop()
  })
})

suite('letters that stay', () => {
  test('still hold their key, and are told once a day', async () => {
    const shop = await openArchived()
    await shop.post('a', 1)
    await shop.pass(RETENTION_MS + 1)
    await shop.archive.run()
    await shop.archive.run()
    assert.deepEqual(shop.archived(), [])
    assert.deepEqual(await shop.letters(), ['a dead TypeError'])
    assert.deepEqual(
      shop.raised.map(({ what, group, code, count }) => [what, group, code, count]),
      [['dead-letters-kept', 'ledger', 'TypeError', 1]],
    )
    assert.ok(shop.lines.some((line) => line.includes('still hold their keys')))
    await shop.pass(DAY_MS)
    await shop.archive.run()
    assert.equal(shop.raised.length, 2)
    await shop.stop()
  })

  test('wait while anything of their key does, and go without a word then', async () => {
    const state: { error: Error } = { error: new TypeError('never') }
    const shop = await openArchived({ parking: { whenDead: 'skip' }, bad: ['a'], thrown: () => state.error })
    await shop.post('a', 1)
    await shop.pass(RETENTION_MS + 1)
    state.error = new Error('trouble')
    await shop.post('a', 2)
    await shop.pass(100)
    assert.deepEqual(await shop.keys(), ['a retrying 1'])
    await shop.archive.run()
    assert.deepEqual([shop.archived(), shop.raised], [[], []])
    shop.bad.clear()
    await shop.pass(60_000)
    await shop.archive.run()
    assert.equal(shop.archived().length, 1)
    await shop.stop()
  })

  test('go once a person has decided, and are nobody’s fault in the books then', async () => {
    const shop = await openArchived()
    for (const account of ['a', 'b']) await shop.post(account, 1)
    await shop.pass(0)
    const idOf = async (account: string) =>
      String((await shop.rows('dead_letters')).find(({ key }) => key === account)?.['id'])
    await shop.lonja.discard('ledger', { id: await idOf('a'), reason: 'written by hand' })
    shop.bad.clear()
    await shop.lonja.redrive('ledger', { id: await idOf('b'), reason: 'mended' })
    await shop.lonja.settled()
    await shop.pass(RETENTION_MS + 1)
    await shop.archive.run()
    const decided = shop
      .archived()
      .map(({ key, status, reason }) => `${String(key)} ${String(status)} ${String(reason)}`)
    assert.deepEqual(decided.toSorted(), ['a discarded written by hand', 'b redriven mended'])
    const known = await readUnhandled(shop.store, 'ledger')
    assert.deepEqual(
      known.map(({ key, state }) => `${key} ${state}`),
      ['a discarded'],
    )
    await shop.stop()
  })
})

suite('when something goes wrong', () => {
  test('the file is whole on the disk before the rows go, and a crash in between only repeats', async () => {
    const counts: number[] = []
    const state = { isDown: true, folder: '' }
    const shop = await openArchived({ parking: { whenDead: 'skip' } }, async () => {
      counts.push(archivedIn(state.folder).length)
      if (state.isDown) throw new StoreUnavailable('away')
    })
    state.folder = shop.folder
    for (const account of ['a', 'b']) await shop.post(account, 1)
    await shop.pass(RETENTION_MS + 1)
    await assert.rejects(shop.archive.run(), StoreUnavailable)
    assert.deepEqual(counts, [2])
    assert.equal((await shop.rows('dead_letters')).length, 2)
    state.isDown = false
    await shop.archive.run()
    const ids = shop.archived().map(({ id }) => id)
    assert.deepEqual([ids.length, new Set(ids).size, (await shop.rows('dead_letters')).length], [4, 2, 0])
    await shop.stop()
  })

  test('a letter that is decided meanwhile is not removed as it was before', async () => {
    const state: { redrive?: () => Promise<unknown> } = {}
    const shop = await openArchived({ parking: { whenDead: 'skip' } }, async () => {
      const { redrive } = state
      delete state.redrive
      await redrive?.()
    })
    await shop.post('a', 1)
    await shop.pass(RETENTION_MS + 1)
    shop.bad.clear()
    const [row] = await shop.rows('dead_letters')
    state.redrive = () => shop.lonja.redrive('ledger', { id: String(row?.['id']), reason: 'late, but not too late' })
    await shop.archive.run()
    assert.equal((await shop.rows('archived_letters')).length, 0)
    await shop.lonja.settled()
    assert.deepEqual(await shop.entries('a'), [1])
    assert.deepEqual(await shop.letters(), ['a redriven TypeError'])
    await shop.stop()
  })

  test('a folder that can not be made leaves the letters where they are', async () => {
    const shop = await openArchived({ parking: { whenDead: 'skip' } })
    await shop.post('a', 1)
    await shop.pass(RETENTION_MS + 1)
    rmSync(shop.folder, { recursive: true })
    const { writeFileSync } = await import('node:fs')
    writeFileSync(shop.folder, 'a file is in the way')
    await assert.rejects(shop.archive.run(), { code: 'EEXIST' })
    assert.ok(existsSync(shop.folder))
    assert.deepEqual(await shop.letters(), ['a dead TypeError'])
    await shop.stop()
  })
})
