// What a rule of tidiness reports: where, against which rule, and what to do about it.
import { lineAt, type Source } from './source.ts'

export interface Finding {
  readonly path: string
  readonly line: number
  readonly rule: string
  readonly advice: string
}

/** A rule looks at one file and says what is wrong with it. */
export type Rule = (source: Source) => readonly Finding[]

/** A piece of code that has no place in a file, and what to write instead. */
export interface Forbidden {
  readonly pattern: RegExp
  readonly advice: string
}

export function describeFindings(findings: readonly Finding[]): string {
  const lines = findings.map(({ path, line, rule, advice }) => `${path}:${line} [${rule}] ${advice}`)
  return `${findings.length} finding(s)\n${lines.join('\n')}`
}

/** Reports each place in `text`, one of the views of a source, where a forbidden pattern matches. */
export function findForbidden(
  rule: string,
  path: string,
  text: string,
  forbidden: readonly Forbidden[],
): readonly Finding[] {
  return forbidden.flatMap(({ pattern, advice }) =>
    [...text.matchAll(pattern)].map((match) => ({ path, line: lineAt(text, match.index), rule, advice })),
  )
}
