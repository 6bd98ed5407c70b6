// Makes a failing history smaller: faults and then commands are left out, as long as it still fails the same way.
import type { HistoryConfig } from './config.ts'
import type { Database } from './database.ts'
import type { HistoryOptions, Outcome } from './outcome.ts'
import { runHistory } from './run-history.ts'

/** Histories that shrinking may run. */
const MAX_RUNS = 400

interface Shrinking {
  readonly database: Database
  readonly options: HistoryOptions
  readonly check: string
  smallest: Outcome
  runs: number
}

/** @param failed an outcome with a failure */
export async function shrink(database: Database, failed: Outcome, options: HistoryOptions): Promise<Outcome> {
  const shrinking: Shrinking = { database, options, check: failed.failure?.check ?? '', smallest: failed, runs: 0 }
  for (const { id } of failed.config.faults) {
    await attempt(shrinking, (config) => ({ ...config, faults: config.faults.filter((fault) => fault.id !== id) }))
  }
  for (let size = Math.floor(failed.config.commands.length / 2); size >= 1; size = Math.floor(size / 2)) {
    await leaveOut(shrinking, size)
  }
  return shrinking.smallest
}

/** Leaves out so many commands at a time, from the last to the first. */
async function leaveOut(shrinking: Shrinking, size: number): Promise<void> {
  const ids = shrinking.smallest.config.commands.map(({ id }) => id)
  for (let end = ids.length; end > 0; end -= size) {
    const gone = new Set(ids.slice(Math.max(0, end - size), end))
    await attempt(shrinking, (config) => {
      return { ...config, commands: config.commands.filter(({ id }) => !gone.has(id)) }
    })
  }
}

async function attempt(shrinking: Shrinking, change: (config: HistoryConfig) => HistoryConfig): Promise<void> {
  if (shrinking.runs >= MAX_RUNS) return
  shrinking.runs += 1
  const outcome = await runHistory(shrinking.database, change(shrinking.smallest.config), shrinking.options)
  if (outcome.failure?.check === shrinking.check) shrinking.smallest = outcome
}
