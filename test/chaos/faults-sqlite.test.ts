// Every fault of the shop on SQLite beside plain kills: starts cut short, a stopped process, wrong clocks, a full disk.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endsWell } from './kill-9.ts'

const TIME_LIMIT_MS = 300_000

test(
  'the shop on SQLite survives starts cut short, stops, wrong clocks, full disks',
  { timeout: TIME_LIMIT_MS },
  async (t) => {
    const { figures } = await endsWell(t, { dialect: 'sqlite', cycles: 4, faults: ['start', 'stop', 'clock', 'disk'] })
    const cycles = Object.values(figures).map((one) => one.cycles)
    assert.deepEqual(cycles, [1, 1, 1, 1])
  },
)
