// Sagas are found among very many that have ended, also the oldest one, while everything else has its turn.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSqlite } from '../store/sqlite.ts'
import { stateTable } from '../store/tables.ts'
import { newSaga } from '../../kernel/saga-decider.ts'
import { toySaga } from '../../testing/toy-saga.ts'
import { documentCells } from '../runtime/stored-documents.ts'
import { sagaKind } from '../runtime/saga-reaction.ts'
import { LIVE, countSagas, findSagas } from './read-sagas.ts'

const ENDED = 110_000
const QUERY = { statuses: LIVE, needsPerson: true, startedBefore: undefined, limit: 10 }

/** The oldest saga of all is flagged; all that began after it have ended. */
async function withOldFlagged() {
  const saga = toySaga()
  const kind = sagaKind(saga)
  const table = stateTable('toy', kind)
  const store = openSqlite({ path: ':memory:' })
  await store.migrate([{ schema: 'toy', version: 1, tables: [table], topics: [] }])
  const flagged = { ...newSaga, status: 'overdue' as const, flagged: ['ship'], startedAt: 1 }
  const ended = { ...newSaga, status: 'succeeded' as const, startedAt: 2 }
  const rows = Array.from({ length: ENDED }, (_, at) =>
    documentCells(kind, `b${String(at).padStart(7, '0')}`, 1, ended),
  )
  const transaction = await store.begin()
  const writes = [{ table, mode: 'versioned' as const, rows: [documentCells(kind, 'a', 1, flagged), ...rows] }]
  await transaction.commit({ writes, appends: [], appendedAt: 0, transaction: 0 })
  await transaction.release()
  return { store, tables: [{ saga, service: 'toy', store }] }
}

/** How often something else had its turn meanwhile. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  const state = { turns: 0, isOver: false }
  const next = () => {
    state.turns += 1
    if (!state.isOver) setImmediate(next)
  }
  setImmediate(next)
  await work()
  state.isOver = true
  return state.turns
}

test('a flagged saga is found and counted behind any number of ended ones, and nothing waits for it', async () => {
  const { store, tables } = await withOldFlagged()
  const first = await findSagas(tables, QUERY)
  assert.equal(first.found.length, 0)
  assert.notEqual(first.next, undefined, 'a page looks at a bounded number of documents, and leads on')
  const second = await findSagas(tables, QUERY, first.next)
  assert.deepEqual([second.found.map(({ key }) => key), second.next], [['a'], undefined])
  const { counts, isWhole } = await countSagas(tables)
  assert.deepEqual([counts.map(({ status, count }) => [status, count]), isWhole], [[['overdue', 1]], true])
  const turns = await turnsDuring(() => countSagas(tables))
  assert.ok(turns > 50, `only ${turns} turns for everything else`)
  await store.close()
})
