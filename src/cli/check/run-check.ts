// Reconciles a whole database beside the running server: reads in chunks below fixed bounds, writes nothing.
import type { Lonja } from '../../platform/runtime/lonja.ts'
import { checkCursors, checkLogs } from './check-logs.ts'
import { checkOrders } from './check-orders.ts'
import { checkProjections } from './check-projections.ts'
import { checkStock } from './check-stock.ts'
import { checkStreams } from './check-streams.ts'
import type { CheckContext, CheckReport, Finding, Problem } from './problem.ts'
import { contextOf } from './problem.ts'

interface Check {
  readonly name: string
  readonly run: (context: CheckContext) => Promise<Finding>
  /** Left out by `--quick`. */
  readonly slow?: true
}

const checks: readonly Check[] = [
  { name: 'cursors', run: checkCursors },
  { name: 'stock', run: checkStock },
  { name: 'orders', run: checkOrders },
  { name: 'streams', run: checkStreams },
  { name: 'records', run: checkLogs },
  { name: 'projections', run: checkProjections, slow: true },
]

/** What each check found, over all databases of the application; nothing of it is running. */
export async function runCheck(
  lonja: Lonja,
  { quick, progress = () => undefined }: { readonly quick: boolean; readonly progress?: (line: string) => void },
): Promise<CheckReport> {
  const problems: Problem[] = []
  const checked: Record<string, number> = {}
  for (const { name, run, slow } of checks) {
    if (quick && slow === true) continue
    const say = (line: string): void => progress(`check ${name}: ${line}`)
    const finding = await run(contextOf(lonja, { quick, progress: say }))
    checked[name] = finding.checked
    problems.push(...finding.problems)
  }
  // A flagged saga waits for a person; the data around it is sound.
  return { ok: problems.every(({ severity }) => severity === 'person'), problems, checked }
}
