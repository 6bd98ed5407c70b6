// Faults of two processes on one PostgreSQL: starts cut short, a zombie, connections cut, wrong clocks, a full disk.
import { test } from 'node:test'
import type { FaultName } from './faults.ts'
import { endsWell } from './kill-9.ts'
import { SmallDisk } from './small-disk.ts'

const TIME_LIMIT_MS = 300_000

test(
  'two processes on PostgreSQL survive cuts, wrong clocks and starts cut short',
  { timeout: TIME_LIMIT_MS },
  async (t) => {
    const faults: readonly FaultName[] = ['cut', 'clock', 'start']
    await endsWell(t, { dialect: 'postgres', cycles: 6, faults, inTurn: true, hurriesLeases: true })
  },
)

test('a process that is stopped past its lease does no harm when it goes on', { timeout: TIME_LIMIT_MS }, async (t) => {
  await endsWell(t, { dialect: 'postgres', cycles: 1, faults: ['stop'] })
})

/** Why the disk of PostgreSQL can't be filled on this machine; empty where it can. */
function mountRefused(): string {
  try {
    SmallDisk.mount().unmount()
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

test('PostgreSQL killed, restarted, and on a disk that is full', { timeout: TIME_LIMIT_MS }, async (t) => {
  const refused = mountRefused()
  const faults: readonly FaultName[] = refused === '' ? ['disk', 'database'] : ['database']
  if (refused !== '') t.diagnostic(`NOT TRIED: a full disk, which needs a mount that this machine refuses: ${refused}`)
  await endsWell(t, { dialect: 'postgres', cycles: 2, faults, inTurn: true, onSmallDisk: refused === '' })
})
