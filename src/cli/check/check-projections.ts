// Projections: each live table is what a replay of the log up to its cursors gives, row by row.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store, Table } from '../../platform/ports.ts'
import type { Difference } from '../../platform/rebuild/compare-tables.ts'
import { comparePages, differencesOf, loadRows } from '../../platform/rebuild/compare-tables.ts'
import type { ProjectionGroup } from '../../platform/rebuild/fold-chunk.ts'
import { asProjectionGroup, foldChunk } from '../../platform/rebuild/fold-chunk.ts'
import { readBuild } from '../../platform/rebuild/live-tables.ts'
import type { Place } from '../../platform/rebuild/log-reader.ts'
import { LogReader, placesOf } from '../../platform/rebuild/log-reader.ts'
import { boundsOf, readPlaces } from '../../platform/rebuild/stored-places.ts'
import { openSqlite } from '../../platform/store/sqlite.ts'
import { projectionTable } from '../../platform/store/tables.ts'
import type { CheckContext, Finding, Problem } from './problem.ts'
import { LOOKS } from './problem.ts'

const RECORDS_A_CHUNK = 20_000
const KEYS_A_MESSAGE = 3

/** A replay beside the live table, in a database of its own: nothing is written to the checked one. */
interface Replay {
  readonly group: ProjectionGroup
  readonly live: { readonly store: Store; readonly table: Table }
  readonly scratch: { readonly store: Store; readonly table: Table }
  readonly reader: LogReader
  places: readonly Place[]
}

export async function checkProjections(context: CheckContext): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-check-'))
  const scratch = openSqlite({ path: join(folder, 'replay.sqlite') })
  try {
    const problems: Problem[] = []
    let checked = 0
    for (const group of context.registry.groups.map(asProjectionGroup)) {
      if (group === undefined) continue
      const found = await checkProjection(context, group, scratch)
      checked += found.checked
      problems.push(...found.problems)
    }
    return { checked, problems }
  } finally {
    await scratch.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function checkProjection(context: CheckContext, group: ProjectionGroup, scratch: Store): Promise<Finding> {
  const { registry, storeOf } = context
  const { service, projection } = group
  const store = storeOf(service)
  const { live } = await readBuild(store, service, projection.name)
  const table = projectionTable(service, projection, 1)
  await scratch.migrate([{ schema: service, version: 1, tables: [table], topics: [] }])
  const replay: Replay = {
    group,
    live: { store, table: projectionTable(service, projection, live) },
    scratch: { store: scratch, table },
    reader: new LogReader({ storeOf, wants: (type) => group.folds.has(type), recordsAChunk: RECORDS_A_CHUNK }),
    places: placesOf(registry, group),
  }
  await catchUp(replay, context)
  let rows = 0
  let differences: Difference[] = []
  for await (const page of comparePages(replay.live, replay.scratch)) {
    rows = page.rows
    differences.push(...page.differences)
  }
  for (let look = 1; look < LOOKS && differences.length > 0; look += 1) {
    await catchUp(replay, context)
    differences = await lasting(replay, differences)
  }
  return { checked: rows, problems: problemsOf(group, differences) }
}

/** Folds on to where the live table is now. */
async function catchUp(replay: Replay, { progress }: CheckContext): Promise<void> {
  const { group, live, scratch, reader } = replay
  const bounds = boundsOf(await readPlaces(live.store, group.service, group.name))
  let folded = 0
  for (;;) {
    const chunk = await reader.read(replay.places, bounds)
    if (chunk.passed === 0) return
    const transaction = await scratch.store.begin()
    const writes = await foldChunk(transaction, { group, table: scratch.table }, chunk.records)
    await transaction.commit({ writes, appends: [], appendedAt: 0, transaction: 0 })
    replay.places = chunk.places
    folded += chunk.passed
    progress(`${group.name}: ${folded} records replayed`)
  }
}

async function lasting({ live, scratch }: Replay, differences: readonly Difference[]): Promise<Difference[]> {
  const keys = differences.map(({ key }) => key)
  return differencesOf(live.table, await loadRows(live, keys), await loadRows(scratch, keys))
}

function problemsOf({ name }: ProjectionGroup, differences: readonly Difference[]): Problem[] {
  if (differences.length === 0) return []
  const some = differences
    .slice(0, KEYS_A_MESSAGE)
    .map(({ key, columns }) => `${key.join(' ')} (${columns.join(', ')})`)
    .join('; ')
  const message = `${differences.length} rows are not what the log says, such as ${some}. Rebuild it: lonja rebuild.`
  return [{ check: 'projections', key: name, message, severity: 'error' }]
}
