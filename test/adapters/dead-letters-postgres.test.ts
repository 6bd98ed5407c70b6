// Dead letters on PostgreSQL: the webhook is told of them, the old ones go to a file, and one process does it.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Alert } from '../../src/platform/alerts/alert.ts'
import { isFirst } from '../../src/platform/alerts/alerts.ts'
import { DeadLetterWatch } from '../../src/platform/alerts/dead-letter-watch.ts'
import { DeadLetterArchive } from '../../src/platform/parking/dead-letter-archive.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { postgresMembership } from '../../src/platform/store/postgres-membership.ts'
import { systemClock } from '../../src/platform/system.ts'
import { createLogger } from '../../src/platform/telemetry/logger.ts'
import { createMetrics } from '../../src/platform/telemetry/metrics.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { startToyLedger } from '../../src/testing/toy-ledger.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const patience = { withinMs: 20_000 }
const DAY_MS = 86_400_000
/** Nothing is a day old here: the archive looks from a day ahead. */
const tomorrow = { ...systemClock, now: () => systemClock.now() + DAY_MS + 1 }

async function joined(url: string) {
  const told: Alert[] = []
  const raised: Alert[] = []
  const membership = postgresMembership({ url, partitionCounts: [6] })
  const ledger = await startToyLedger({
    store: await openPostgres({ url }),
    clock: systemClock,
    membership,
    trouble: () => {
      throw new TypeError('never')
    },
  })
  const { lonja, store } = ledger
  const marks = new Map([['ledger', lonja.registry.tables.get('ledger')!.alertMarks]])
  const isOurs = () => isFirst(lonja.registry, membership)
  const watch = new DeadLetterWatch({
    store,
    marks,
    clock: systemClock,
    isOurs,
    send: async (alert) => void told.push(alert),
    failed: (error) => assert.fail(String(error)),
  })
  const archiveTo = (folder: string) =>
    new DeadLetterArchive({
      registry: lonja.registry,
      databases: [{ store, membership, services: ['desk', 'ledger'] }],
      clock: tomorrow,
      newId: () => lonja.newId(),
      retentionMs: DAY_MS,
      folder,
      isOurs,
      raise: (alert) => void raised.push(alert),
      telemetry: { log: createLogger({ level: 'silent', format: 'json' }), metrics: createMetrics() },
    })
  return {
    ...ledger,
    told,
    raised,
    watch,
    archiveTo,
    stop: async () => {
      watch.stop()
      await ledger.stop()
    },
  }
}

test('of two processes one tells of dead letters and archives them, each once', { timeout: 60_000 }, async () => {
  const url = await sharedPostgres()
  const one = await joined(url)
  const other = await joined(url)
  const folder = mkdtempSync(join(tmpdir(), 'lonja-archive-'))
  for (const account of ['a', 'b', 'c']) await one.post(account, 1)
  await waitFor(async () => (await one.rows('dead_letters')).length === 3, patience)
  for (const { watch } of [one, other]) watch.start()
  const told = () => [...one.told, ...other.told]
  await waitFor(() => told().length > 0, patience)
  await waitFor(async () => (await one.rows('alert_marks')).length === 1, patience)
  assert.deepEqual(
    told().map(({ what, group, code, count }) => [what, group, code, count]),
    [['dead-letters', 'ledger', 'TypeError', 3]],
  )
  const ids = (await one.rows('dead_letters')).map(({ id }) => String(id))
  // Each still holds its key, so it stays and is told.
  for (const each of [one, other]) await each.archiveTo(folder).run()
  assert.deepEqual(readdirSync(folder), [])
  assert.deepEqual(
    [...one.raised, ...other.raised].map(({ what, count }) => [what, count]),
    [['dead-letters-kept', 3]],
  )
  for (const id of ids) await one.lonja.discard('ledger', { id, reason: 'written by hand' })
  for (const each of [one, other]) await each.archiveTo(folder).run()
  const [file = '', ...more] = readdirSync(folder)
  assert.deepEqual(more, [])
  const lines = gunzipSync(readFileSync(join(folder, file)))
    .toString()
    .trim()
    .split('\n')
  const archived = lines.map((line) => (JSON.parse(line) as { readonly id: string }).id)
  assert.deepEqual(archived.toSorted(), ids.toSorted())
  assert.deepEqual(await one.rows('dead_letters'), [])
  assert.equal((await one.rows('archived_letters')).length, 3)
  for (const each of [one, other]) await each.stop()
  rmSync(folder, { recursive: true })
})
