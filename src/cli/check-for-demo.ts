// The verdict of `lonja check` over the demo's database, while the demo's server still runs.
import type { App } from '../app.ts'
import { runCheck } from './check/run-check.ts'

/** @returns whether everything adds up, and a sentence for each thing that does not. */
export async function checkForDemo(
  app: App,
  progress?: (line: string) => void,
): Promise<{ readonly ok: boolean; readonly problems: string[] }> {
  const options = { quick: false, ...(progress === undefined ? {} : { progress }) }
  const { ok, problems } = await runCheck(app.application, options)
  return { ok, problems: problems.map(({ check, key, message }) => `${check} ${key}: ${message}`) }
}
