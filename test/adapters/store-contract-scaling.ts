// The store's contract: a topic gets more partitions in one commit, and whoever has not heard of it starts over.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Conflict } from '../../src/platform/ports.ts'
import type { Plan, Scaling, Store } from '../../src/platform/ports.ts'
import { append, commit, declaration, documents, load, log, next, write } from './store-fixture.ts'
import type { Use } from './store-fixture.ts'

const FROM = 4
const scaling: Scaling = { source: 'shop', topic: 'shop.events', generation: 1, from: FROM, to: 6, incarnation: 1 }

function scaled(changes: Partial<Scaling> = {}, plan: Partial<Plan> = {}): Partial<Plan> {
  const appends = Array.from({ length: FROM }, (_, partition) => append(partition, { body: '["a barrier"]' }))
  return { appends, scalings: [{ ...scaling, ...changes }], ...plan }
}

async function heads(store: Store): Promise<readonly string[]> {
  const own = (await store.heads('shop')).filter(({ topic }) => topic === 'shop.events')
  return own
    .toSorted((one, other) => one.partition - other.partition)
    .map(({ partition, generation, made, first, next: end }) => `${partition}: ${generation} ${made} ${first} ${end}`)
}

const SCALED = ['0: 2 1 0 3', '1: 2 1 0 1', '2: 2 1 0 1', '3: 2 1 0 1', '4: 2 2 0 0', '5: 2 2 0 0']

export function scalingTests(use: Use): void {
  test(
    'the barriers are of the generation that ends, and what comes behind them of the next one',
    use(async (store) => {
      await commit(store, { appends: [append(0, { count: 2 })] })
      assert.deepEqual(await commit(store, scaled()), [2, 0, 0, 0])
      assert.deepEqual(await heads(store), SCALED)
      await commit(store, { appends: [append(0, { generation: 2 }), append(5, { generation: 2 })] })
      const rows = [...(await log(store, 0)), ...(await log(store, 5))]
      assert.deepEqual(
        rows.map(({ partition, generation, first }) => [partition, generation, first]),
        [
          [0, 1, 0],
          [0, 1, 2],
          [0, 2, 3],
          [5, 2, 0],
        ],
      )
      const commands = (await store.heads('shop')).filter(({ topic }) => topic === 'shop.commands')
      assert.deepEqual(
        commands.map(({ generation }) => generation),
        [1, 1],
      )
    }),
  )

  test(
    'what was computed for the generation before conflicts as a whole',
    use(async (store, other) => {
      await commit(store, scaled())
      const writes = [write(documents, 'versioned', ['a', 1, 'lost'])]
      await assert.rejects(commit(other, { writes, appends: [append(1)] }), Conflict)
      assert.deepEqual(await load(store, documents, ['a']), [])
      assert.equal(await next(store, 1), 1)
    }),
  )

  test(
    'another count or generation than thought conflicts and leaves nothing at all',
    use(async (store) => {
      const before = await heads(store)
      for (const wrong of [{ from: 3, to: 5 }, { from: 5 }, { generation: 2 }]) {
        await assert.rejects(commit(store, scaled(wrong)), Conflict, JSON.stringify(wrong))
        assert.deepEqual(await heads(store), before)
      }
      await commit(store, scaled())
      const after = await heads(store)
      await assert.rejects(commit(store, scaled()), Conflict)
      assert.deepEqual(await heads(store), after)
    }),
  )

  test(
    'two that scale at once: one does',
    use(async (store, other) => {
      const both = await Promise.allSettled([commit(store, scaled()), commit(other, scaled({ to: 9 }))])
      assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
      const count = (await heads(store)).length
      assert.ok(count === 6 || count === 9)
    }),
  )

  test(
    'writers beside it are before a barrier or start over: nothing of their generation lies behind one',
    use(async (store, other) => {
      let conflicts = 0
      const writers = Array.from({ length: 24 }, async (_, at) => {
        const plan = {
          appends: [append(at % FROM), append((at + 1) % FROM)].toSorted((a, b) => a.partition - b.partition),
        }
        await commit(at % 2 === 0 ? store : other, plan).catch((error: unknown) => {
          assert.ok(error instanceof Conflict, String(error))
          conflicts += 1
        })
      })
      await Promise.all([...writers.slice(0, 12), commit(store, scaled()), ...writers.slice(12)])
      for (let partition = 0; partition < FROM; partition += 1) {
        const rows = await log(store, partition)
        assert.equal(rows.at(-1)?.body, '["a barrier"]', `${conflicts} conflicts`)
        assert.ok(rows.every(({ generation }) => generation === 1))
      }
    }),
  )

  test(
    'a declaration with another count changes nothing where there are heads',
    use(async (store) => {
      await commit(store, scaled())
      const before = await heads(store)
      const topics = declaration.topics.map((topic) => ({ ...topic, partitions: 12 }))
      await store.migrate([{ ...declaration, topics }])
      assert.deepEqual(await heads(store), before)
    }),
  )
}
