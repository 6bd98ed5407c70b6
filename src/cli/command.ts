// What a command of the command line is: its name, its help, its flags, and what it does with a call.
import type { ListedSetting, Settings } from '../platform/settings.ts'
import type { Terminal } from './terminal.ts'

export interface Flag {
  /** What its value is called in the help, such as N or PATH; undefined for a switch. */
  readonly value?: string
  readonly description: string
}

/** A command as it was called. */
export interface Call {
  /** What follows the command's name. */
  readonly words: readonly string[]
  readonly flags: Readonly<Record<string, string | true>>
  readonly settings: Settings
  readonly list: readonly ListedSetting[]
  readonly terminal: Terminal
}

export interface Command {
  /** One word or two, such as `import orders`. */
  readonly name: string
  /** What follows the name, such as `FILE`; empty where nothing does. */
  readonly words: string
  readonly summary: string
  /** Paragraphs for `--help`. */
  readonly description: readonly string[]
  readonly flags: Readonly<Record<string, Flag>>
  /** The settings that this command looks at, by their names. */
  readonly settings: readonly string[]
  readonly examples: readonly string[]
  /** @returns the exit code. */
  readonly run: (call: Call) => Promise<number>
}

/** The settings of commands that ask the running server. */
export const SERVER_SETTINGS = ['url', 'key', 'host', 'port'] as const

const json: Flag = { description: 'Prints JSON: one object on the last line.' }

/** Widens a table of flags to the type that all commands share, and adds what all of them have. */
export function flagsOf(flags: Readonly<Record<string, Flag>>): Readonly<Record<string, Flag>> {
  return { ...flags, json }
}

export const EXIT = {
  ok: 0,
  /** It was tried and did not work, or a check found something. */
  failed: 1,
  /** The command itself was wrong: nothing was tried. */
  usage: 2,
} as const

/** Something went wrong that a person can mend; the message is a sentence that says how. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/** The command was called wrongly. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The only word of a command that takes one. @throws {UsageError} */
export function onlyWord({ words }: Pick<Call, 'words'>, what: string): string {
  const [word, ...others] = words
  if (word === undefined) throw new UsageError(`${what} is missing.`)
  if (others.length > 0) throw new UsageError(`${others.join(' ')} is too much: one ${what} is expected.`)
  return word
}

/** @throws {UsageError} where words follow that mean nothing. */
export function noWords({ words }: Pick<Call, 'words'>): void {
  if (words.length > 0) throw new UsageError(`${words.join(' ')} means nothing here.`)
}

/** The value of a flag; undefined when it was not given. */
export function textFlag({ flags }: Pick<Call, 'flags'>, name: string): string | undefined {
  const value = flags[name]
  return typeof value === 'string' ? value : undefined
}

/** A whole number above zero. @throws {UsageError} */
export function countFlag(call: Pick<Call, 'flags'>, name: string): number | undefined {
  const text = textFlag(call, name)
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text)
  throw new UsageError(`--${name} is "${text}": write a whole number above 0.`)
}

/** The reason that everything has to have that goes into the audit. @throws {UsageError} */
export function reasonFlag(call: Pick<Call, 'flags'>): string {
  const reason = textFlag(call, 'reason')
  if (reason === undefined) throw new UsageError('--reason "WHY" is missing: it goes into the audit.')
  return reason
}

/** Exactly as many words as have a name here. @throws {UsageError} */
export function wordsOf({ words }: Pick<Call, 'words'>, ...names: readonly string[]): readonly string[] {
  const missing = names.slice(words.length)
  if (missing.length > 0) throw new UsageError(`${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing.`)
  if (words.length > names.length) throw new UsageError(`${words.slice(names.length).join(' ')} is too much.`)
  return words
}

export function isSet({ flags }: Pick<Call, 'flags'>, name: string): boolean {
  return flags[name] === true
}
