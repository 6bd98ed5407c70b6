// A process that keeps the toy ledger, and that the account `poison` kills or hangs: `poison-process.ts PLAN`.
import type { StoreAddress } from '../../src/platform/settings/parsers.ts'
import { markRunning } from '../../src/platform/store/running-mark.ts'
import { membershipAlone } from '../../src/platform/store/membership-alone.ts'
import { postgresMembership } from '../../src/platform/store/postgres-membership.ts'
import type { Lonja } from '../../src/platform/runtime/lonja.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { systemClock } from '../../src/platform/system.ts'
import { startWatchdog, type Watchdog } from '../../src/platform/takeover/watchdog.ts'
import { createLogger } from '../../src/platform/telemetry/logger.ts'
import { createMetrics } from '../../src/platform/telemetry/metrics.ts'
import { observeRuntime } from '../../src/platform/telemetry/observe-runtime.ts'
import { startToyLedger } from '../../src/testing/toy-ledger.ts'

/** What the poison does to whoever handles it. */
export type Poison = 'loops' | 'aborts' | 'eats memory' | 'nothing'

export interface PoisonPlan {
  readonly address: StoreAddress
  readonly poison: Poison
  /** 0: no watchdog. */
  readonly limitMs: number
  readonly leaseMs?: number
}

/** Printed when nothing of the log is left to handle. */
export const AT_REST = 'at rest'

function swallow(poison: Poison): void {
  if (poison === 'aborts') process.abort()
  const eaten: string[][] = []
  for (;;) {
    if (poison === 'nothing') return
    if (poison === 'eats memory') eaten.push(Array.from({ length: 10_000 }, (_, index) => `${index} ${eaten.length}`))
  }
}

async function open({ address, leaseMs }: PoisonPlan) {
  if (address.kind === 'postgres') {
    const { url } = address
    const leases = leaseMs === undefined ? {} : { leaseMs, heartbeatMs: leaseMs / 10 }
    const membership = postgresMembership({ url, partitionCounts: [6], ...leases })
    return { store: await openPostgres({ url }), membership, clear: () => undefined }
  }
  const mark = markRunning(address.path)
  return { store: openSqlite({ path: address.path }), membership: membershipAlone(mark), clear: mark.clear }
}

async function run(plan: PoisonPlan): Promise<void> {
  const { store, membership, clear } = await open(plan)
  const log = createLogger({ level: 'warn', format: 'json' })
  const trouble = (account: string) => {
    if (account === 'poison') swallow(plan.poison)
  }
  const told = observeRuntime('test', { log, metrics: createMetrics() })
  let watchdog: Watchdog | undefined
  const started: Lonja[] = []
  const sayIfAtRest = async (): Promise<void> => {
    // Before it can be told to stop it says nothing: it would be killed instead.
    const [lonja] = started
    if (lonja === undefined) return
    await lonja.settled()
    const lags = await lonja.lags()
    const isAtRest = lags.every(({ next, head, oneByOne }) => next === head && oneByOne === undefined)
    if (isAtRest) process.stdout.write(`${AT_REST}\n`)
  }
  const ledger = await startToyLedger({
    store,
    membership,
    clock: systemClock,
    trouble,
    observer: {
      ...told,
      committed: (...batch) => {
        told.committed(...batch)
        void sayIfAtRest()
      },
    },
    beforeStart: (lonja) => {
      const { limitMs, address } = plan
      if (limitMs === 0) return
      watchdog = startWatchdog(lonja, { limitMs, addressOf: () => address, logLevel: 'warn', logFormat: 'json' })
    },
  })
  // A server's port keeps it alive until it is told to stop; here another one does.
  const { port1: alive } = new MessageChannel()
  alive.ref()
  process.once('SIGTERM', () => {
    void ledger.stop().then(async () => {
      alive.close()
      await watchdog?.stop()
      clear()
    })
  })
  started.push(ledger.lonja)
  await sayIfAtRest()
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '') as PoisonPlan)
