// Memory goes back while nothing is to be done, and only then.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '../testing/virtual-clock.ts'
import { giveBackWhenIdle } from './idle-memory.ts'

const MEGABYTE = 1024 * 1024
const passed = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

test('it goes back ten seconds after the start and after each burst, never in the midst of one', async () => {
  const clock = createVirtualClock()
  const process = { busy: 0, heap: 60 * MEGABYTE, collected: 0 }
  const looks = giveBackWhenIdle({
    clock,
    busyShare: () => process.busy,
    heapBytes: () => process.heap,
    collect: async () => {
      process.collected += 1
      process.heap = 30 * MEGABYTE
    },
  })
  const after = async (busy: number, megabytes: number): Promise<number> => {
    Object.assign(process, { busy, heap: megabytes * MEGABYTE })
    await clock.advance(10_000, passed)
    return process.collected
  }
  assert.equal(await after(0.01, 60), 1)
  assert.equal(await after(0.01, 40), 1, 'ten megabytes are not worth it')
  assert.equal(await after(0.8, 400), 1, 'not while it works')
  assert.equal(await after(0.01, 400), 2)
  await looks.stop()
  assert.equal(await after(0.01, 400), 2)
})

test('collecting takes what nobody refers to any more', async () => {
  const clock = createVirtualClock()
  let garbage: unknown[] | undefined = Array.from({ length: 500_000 }, (_, index) => ({ index }))
  const before = process.memoryUsage().heapUsed
  assert.equal(garbage.length, 500_000)
  garbage = undefined
  const looks = giveBackWhenIdle({ clock, busyShare: () => 0 })
  await clock.advance(10_000, passed)
  await looks.stop()
  assert.ok(process.memoryUsage().heapUsed < before - 10 * MEGABYTE)
})
