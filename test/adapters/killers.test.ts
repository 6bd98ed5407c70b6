// Messages that kill or hang their process: found out after three takeovers without progress, or at once if they hang.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { StoreAddress } from '../../src/platform/settings/parsers.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { startToyLedger } from '../../src/testing/toy-ledger.ts'
import { AT_REST, type Poison, type PoisonPlan } from './poison-process.ts'

const PROGRAM = join(import.meta.dirname, 'poison-process.ts')
const ACCOUNTS = ['north', 'south', 'east', 'west', 'poison', 'up', 'down']
const HEALTHY = ACCOUNTS.filter((account) => account !== 'poison')
const ENTRIES = [1, 2, 3]
/** Of processor time: an endless loop burns it in as much. */
const LIMIT_MS = 500
/** A dead owner's partitions are taken over after it. */
const LEASE_MS = 1000
/** Little, so that eating it up takes a second. */
const MEMORY_MB = 48
const MAX_LIVES = 8

async function open(address: StoreAddress) {
  return address.kind === 'postgres' ? openPostgres({ url: address.url }) : openSqlite({ path: address.path })
}

/** Entries of all accounts lie in the log, and nobody has handled them. */
async function postAll(address: StoreAddress): Promise<void> {
  const ledger = await startToyLedger({ store: await open(address), works: false })
  for (const entry of ENTRIES) for (const account of ACCOUNTS) await ledger.post(account, entry)
  await ledger.stop()
}

interface Life {
  readonly end: NodeJS.Signals | number | 'at rest'
  readonly log: readonly Readonly<Record<string, string | number>>[]
}

/** Lives until it dies, or until nothing is left to do and it was told to stop. */
async function live(plan: PoisonPlan): Promise<Life> {
  const child = spawn(process.execPath, [`--max-old-space-size=${MEMORY_MB}`, PROGRAM, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log: Record<string, string | number>[] = []
  let isAtRest = false
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line !== AT_REST || isAtRest) return
    isAtRest = true
    child.kill('SIGTERM')
  })
  // What V8 says of memory that is full is no line of ours.
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.startsWith('{')) log.push(JSON.parse(line) as Record<string, string | number>)
  })
  const end = await new Promise<NodeJS.Signals | number>((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? code ?? -1))
  })
  return { end: isAtRest && end === 0 ? 'at rest' : end, log }
}

/** Starts it again as a service manager would, until it comes to rest. */
async function livesOf(plan: PoisonPlan): Promise<readonly Life[]> {
  const lives: Life[] = []
  while (lives.length < MAX_LIVES) {
    const life = await live(plan)
    lives.push(life)
    if (life.end === 'at rest') return lives
  }
  return lives
}

async function assertFoundOut(address: StoreAddress, code: string): Promise<void> {
  const ledger = await startToyLedger({ store: await open(address), works: false })
  try {
    for (const account of HEALTHY) {
      assert.deepEqual(await ledger.entries(account), ENTRIES, account)
      assert.deepEqual(await ledger.folded(account), ENTRIES, account)
    }
    assert.deepEqual(await ledger.folded('poison'), ENTRIES, 'the projection has no trouble with it')
    const letters = await ledger.rows('dead_letters')
    assert.deepEqual(
      letters.map(({ key, code: found, status, fault_class: faultClass }) => ({ key, found, status, faultClass })),
      [{ key: 'poison', found: code, status: 'dead', faultClass: 'permanent' }],
    )
    const keys = await ledger.rows('parked_keys')
    assert.deepEqual(
      keys.map(({ key, state, messages }) => ({ key, state, messages })),
      [{ key: 'poison', state: 'held', messages: ENTRIES.length - 1 }],
      'the later ones wait for a person',
    )
  } finally {
    await ledger.stop()
  }
}

const stores: Readonly<Record<string, (folder: string) => Promise<StoreAddress>>> = {
  SQLite: async (folder) => ({ kind: 'sqlite', path: join(folder, 'ledger.sqlite') }),
  PostgreSQL: async () => ({ kind: 'postgres', url: await sharedPostgres() }),
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-killers-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

for (const [name, addressIn] of Object.entries(stores)) {
  const killers: readonly Poison[] = ['aborts', 'eats memory']
  for (const poison of killers) {
    test(`on ${name} a message that ${poison} is found out by the fourth life and then given up`, async () => {
      await inFolder(async (folder) => {
        const address = await addressIn(folder)
        await postAll(address)
        const lives = await livesOf({ address, poison, limitMs: 0, leaseMs: LEASE_MS })
        const ends = lives.map(({ end }) => end)
        assert.deepEqual(ends, ['SIGABRT', 'SIGABRT', 'SIGABRT', 'SIGABRT', 'at rest'], JSON.stringify(lives, null, 1))
        await assertFoundOut(address, 'ProcessDied')
      })
    })
  }

  test(`on ${name} the watchdog ends a process that hangs, says over what, and the next one gives it up`, async () => {
    await inFolder(async (folder) => {
      const address = await addressIn(folder)
      await postAll(address)
      const lives = await livesOf({ address, poison: 'loops', limitMs: LIMIT_MS, leaseMs: LEASE_MS })
      assert.deepEqual(
        lives.map(({ end }) => end),
        ['SIGABRT', 'at rest'],
      )
      const [line] = lives[0]?.log.filter(({ message }) => String(message).startsWith('A handler does not')) ?? []
      const { group, handler, topic, code } = line ?? {}
      assert.deepEqual(
        { group, handler, topic, code },
        { group: 'ledger', handler: 'Posted', topic: 'desk.events', code: 'HandlerHung' },
      )
      assert.equal(typeof line?.['sequence'], 'number')
      await assertFoundOut(address, 'HandlerHung')
    })
  })

  test(`on ${name} ten stops in order, and as many starts, park nothing`, async () => {
    await inFolder(async (folder) => {
      const address = await addressIn(folder)
      await postAll(address)
      for (let life = 0; life < 10; life += 1) {
        const { end, log } = await live({ address, poison: 'nothing', limitMs: LIMIT_MS, leaseMs: LEASE_MS })
        assert.equal(end, 'at rest', `life ${life}: ${JSON.stringify(log)}`)
        assert.deepEqual(log, [])
      }
      const ledger = await startToyLedger({ store: await open(address), works: false })
      for (const table of ['parked_keys', 'dead_letters']) assert.deepEqual(await ledger.rows(table), [], table)
      await ledger.stop()
    })
  })
}
