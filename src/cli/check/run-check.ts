// Reconciles a whole database beside the running server: reads in chunks below fixed bounds, writes nothing to it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Lonja } from '../../platform/runtime/lonja.ts'
import { openSqlite } from '../../platform/store/sqlite.ts'
import { checkCursors, checkLogs } from './check-logs.ts'
import { checkDeadLetters } from './check-dead-letters.ts'
import { checkOrders } from './check-orders.ts'
import { checkProjections } from './check-projections.ts'
import { checkAnswers, checkEffects } from './check-rows.ts'
import { checkSagas } from './check-sagas.ts'
import { checkStock } from './check-stock.ts'
import { checkStreams } from './check-streams.ts'
import type { CheckContext, CheckOptions, CheckReport, Finding, Problem } from './problem.ts'
import { contextOf } from './problem.ts'

interface Check {
  readonly name: string
  readonly run: (context: CheckContext) => Promise<Finding>
  /** Left out by `--quick`. */
  readonly slow?: true
}

const checks: readonly Check[] = [
  { name: 'cursors', run: checkCursors },
  { name: 'SKUs', run: checkStock },
  { name: 'orders', run: checkOrders },
  { name: 'sagas', run: checkSagas },
  { name: 'streams', run: checkStreams },
  { name: 'kept answers', run: checkAnswers },
  { name: 'open requests', run: checkEffects },
  { name: 'unhandled messages', run: checkDeadLetters },
  { name: 'records', run: checkLogs },
  { name: 'rows of projections', run: checkProjections, slow: true },
]

/**
 * Checks all databases of an application, which may be running, here or in other processes.
 *
 * @throws what a store throws; a database that is not sound enough to be read at all is no finding.
 */
export async function runCheck(lonja: Lonja, options: CheckOptions): Promise<CheckReport> {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-check-'))
  const scratch = openSqlite({ path: join(folder, 'check.sqlite') })
  try {
    const problems: Problem[] = []
    const checked: Record<string, number> = {}
    for (const { name, run, slow } of checks) {
      if (options.quick && slow === true) continue
      const finding = await run(contextOf(lonja, scratch, options))
      checked[name] = finding.checked
      if (finding.unsettled > 0) checked[`${name} too busy to tell`] = finding.unsettled
      problems.push(...finding.problems)
    }
    // A flagged saga waits for a person; the data around it is sound.
    return { ok: problems.every(({ severity }) => severity === 'person'), problems, checked }
  } finally {
    await scratch.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
