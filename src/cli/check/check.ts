// The command `lonja check`: reconciles the database beside the running server and says what is off.
import type { Call } from '../command.ts'
import { EXIT, isSet, noWords } from '../command.ts'
import { readDatabase } from '../read-database.ts'
import type { CheckReport } from './problem.ts'
import { runCheck } from './run-check.ts'

/** Beyond this many problems of one check the rest is only counted. */
const MAX_LINES = 50

/** @returns 1 when anything is off. */
export async function check(call: Call): Promise<number> {
  const { settings, terminal } = call
  noWords(call)
  const progress = (line: string): void => terminal.progress(line)
  const report = await readDatabase(settings, (lonja) => runCheck(lonja, { quick: isSet(call, 'quick'), progress }))
  terminal.endProgress()
  if (isSet(call, 'json')) terminal.json(report)
  else for (const line of linesOf(report)) terminal.line(line)
  return report.ok ? EXIT.ok : EXIT.failed
}

/** The report as text. */
export function linesOf({ ok, problems, checked }: CheckReport): string[] {
  const counts = Object.entries(checked).map(([name, count]) => `${count.toLocaleString('en')} ${name}`)
  const lines = problems
    .slice(0, MAX_LINES)
    .map(
      ({ check: name, key, message, severity }) =>
        `${severity === 'person' ? 'person' : 'wrong '} ${name} ${key}: ${message}`,
    )
  const more = problems.length - lines.length
  return [
    `Checked ${counts.join(', ')}.`,
    ...lines,
    ...(more > 0 ? [`… and ${more} more.`] : []),
    ok ? 'Everything adds up.' : 'Something is off: see the list above.',
  ]
}
