// Reads a command line: the flags of settings, the flags of the command, and the words between them.
import type { Setting } from './parsers.ts'
import { settingsTable } from './table.ts'

export interface CommandLine {
  /** Values by the flag of a setting. */
  readonly given: ReadonlyMap<string, string>
  readonly flags: Readonly<Record<string, string | true>>
  readonly words: readonly string[]
}

export type CommandFlags = Readonly<Record<string, 'switch' | 'value'>>

/** A guess further away than this is none. */
const MAX_DISTANCE = 3

type FlagKind = 'setting' | 'switch' | 'value' | undefined

/** Reads the whole line; what is wrong is added to the problems, a sentence each. The last of equal flags counts. */
export function readCommandLine(argv: readonly string[], commandFlags: CommandFlags, problems: string[]): CommandLine {
  const kinds = new Map<string, FlagKind>(Object.entries(commandFlags))
  for (const { flag } of Object.values<Setting<unknown>>(settingsTable))
    if (flag !== undefined) kinds.set(flag, 'setting')
  const given = new Map<string, string>()
  const flags: Record<string, string | true> = {}
  const words: string[] = []
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length
  const rest = argv.slice(0, end)
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const [name, inline] = partsOf(argument)
    const kind = kinds.get(name)
    if (!/^-./.test(argument)) words.push(argument)
    else if (kind === undefined) problems.push(unknownFlag(argument, [...kinds.keys()]))
    else if (kind === 'switch' && inline !== undefined)
      problems.push(`--${name} takes no value: leave out "=${inline}".`)
    else if (kind === 'switch') flags[name] = true
    else {
      const value = inline ?? nextValue(rest)
      if (value === undefined) problems.push(`--${name} needs a value: write --${name} VALUE.`)
      else if (kind === 'setting') given.set(name, value)
      else flags[name] = value
    }
  }
  return { given, flags, words: [...words, ...argv.slice(end + 1)] }
}

// What looks like a flag is one; a value that begins so is written --name=--value.
function nextValue(rest: string[]): string | undefined {
  return rest[0]?.startsWith('--') === true ? undefined : rest.shift()
}

function partsOf(argument: string): [name: string, inline: string | undefined] {
  const [, name = '', inline] = /^--?([^=]*)(?:=(.*))?$/s.exec(argument) ?? []
  return [name, inline]
}

function unknownFlag(argument: string, known: readonly string[]): string {
  const [name] = partsOf(argument)
  const near = nearest(name, known)
  const advice = near === undefined ? '--help and `lonja settings` list what there is.' : `Did you mean --${near}?`
  return `There is no flag ${argument.split('=')[0]}. ${advice}`
}

/** The known name that was probably meant. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map((each) => ({ each, distance: distanceBetween(name, each) }))
  const best = ranked.toSorted((a, b) => a.distance - b.distance)[0]
  return best !== undefined && best.distance <= Math.min(MAX_DISTANCE, name.length / 2) ? best.each : undefined
}

/** How many letters to add, drop or change (Levenshtein). */
function distanceBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let at = 1; at <= one.length; at += 1) {
    const next = [at]
    for (let to = 1; to <= other.length; to += 1) {
      const change = (row[to - 1] ?? 0) + (one[at - 1] === other[to - 1] ? 0 : 1)
      next.push(Math.min(change, (row[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
