// The audit: a deed is written with what it does, in one commit; what was refused leaves nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Deed } from '../../kernel/route.ts'
import { faultyStore } from '../../testing/faulty-store.ts'
import { Place, startToyShop } from '../../testing/toy-shop.ts'
import { openSqlite } from '../store/sqlite.ts'
import { readAudit } from './audit.ts'

async function start() {
  const store = faultyStore(openSqlite({ path: ':memory:' }))
  const { lonja, stop } = await startToyShop({ store })
  const place = (orderId: string, units: number, deed?: Deed) =>
    lonja.submit({
      service: 'shop',
      command: Place({ orderId, units }),
      reply: () => ({ status: 201 }),
      principal: 'olga',
      role: 'operator',
      scope: `olga ${orderId}`,
      bodyHash: `${units}`,
      traceparent: undefined,
      deed,
    })
  return { store, lonja, stop, place }
}

const deed: Deed = { action: 'order.place', target: 'order a', reason: 'asked by phone', details: { units: 4 } }

test('a deed is told once, also when its commit was in doubt or it is repeated', async () => {
  const { store, stop, place } = await start()
  store.failNext('lost after')
  await place('a', 4, deed)
  await place('a', 4, deed)
  const entries = await readAudit(store, { limit: 10 })
  assert.equal(entries.length, 1)
  assert.deepEqual(
    entries,
    entries.slice(0, 1).map(({ id, at }) => ({ ...deed, id, at, principal: 'olga', role: 'operator' })),
  )
  await stop()
})

test('what was refused, and what is no deed, leaves no entry', async () => {
  const { store, stop, place } = await start()
  await assert.rejects(place('a', 0, deed), { code: 'EMPTY' })
  await place('b', 1)
  assert.deepEqual(await readAudit(store, { limit: 10 }), [])
  await stop()
})

test('entries are found by who, what and to what, page by page', async () => {
  const { store, stop, place } = await start()
  for (const name of ['a', 'b', 'c']) await place(name, 1, { action: 'order.place', target: name })
  const [first, ...others] = await readAudit(store, { limit: 10 })
  assert.deepEqual(await readAudit(store, { limit: 10, after: first?.id }), others)
  assert.deepEqual(await readAudit(store, { limit: 1, target: 'b' }), others.slice(0, 1))
  for (const query of [{ principal: 'nobody' }, { action: 'order.drop' }, { since: (first?.at ?? 0) + 60_000 }]) {
    assert.deepEqual(await readAudit(store, { limit: 10, ...query }), [])
  }
  await stop()
})
