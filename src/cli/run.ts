// Runs one command: finds it, reads its flags and the settings, and turns whatever goes wrong into a sentence.
import metadata from '../../package.json' with { type: 'json' }
import { readCommandLine, nearest, type CommandFlags } from '../platform/settings/command-line.ts'
import { resolveSettings, SettingsError, type Resolved } from '../platform/settings.ts'
import { StoreUnavailable } from '../platform/ports.ts'
import { feedNames, services } from '../services.ts'
import { commands } from './commands.ts'
import { CommandError, EXIT, UsageError, type Call, type Command } from './command.ts'
import { commandHelp, generalHelp, usageOf } from './help.ts'
import { createTerminal, type Sink, type Terminal } from './terminal.ts'

export interface Invocation {
  readonly argv: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The text of the .env file; empty when there is none. @throws when it can't be read. */
  readonly readEnvFile: () => string
  readonly out: Sink
  readonly err: Sink
}

/** Flags of every command. */
const EVERYWHERE: CommandFlags = { help: 'switch', h: 'switch', version: 'switch', v: 'switch', json: 'switch' }

/** @returns the exit code; whatever went wrong was told on standard error, without a stack. */
export async function run(invocation: Invocation): Promise<number> {
  const terminal = createTerminal(invocation.out, invocation.err)
  try {
    return await dispatch(invocation, terminal)
  } catch (error) {
    terminal.endProgress()
    for (const sentence of sentencesOf(error)) terminal.note(`lonja: ${sentence}`)
    return error instanceof UsageError || error instanceof SettingsError ? EXIT.usage : EXIT.failed
  }
}

function dispatch(invocation: Invocation, terminal: Terminal): number | Promise<number> {
  const { words, flags } = readCommandLine(invocation.argv, flagsOf(...commands), [])
  if (flags['version'] === true || flags['v'] === true) {
    terminal.line(`lonja ${metadata.version}, Node ${process.versions.node}`)
    return EXIT.ok
  }
  const wantsHelp = flags['help'] === true || flags['h'] === true || words[0] === 'help'
  const named = words[0] === 'help' ? words.slice(1) : words
  if (named.length === 0) return general(terminal, wantsHelp)
  const command = find(named)
  if (wantsHelp) {
    for (const line of commandHelp(command, terminal.columns)) terminal.line(line)
    return EXIT.ok
  }
  return command.run(callOf(command, invocation, terminal)).catch((error: unknown) => {
    if (!(error instanceof UsageError)) throw error
    throw new UsageError(`${error.message} Write \`lonja ${usageOf(command)}\`; --help tells more.`)
  })
}

function general(terminal: Terminal, wasAskedFor: boolean): number {
  for (const line of generalHelp(commands, metadata.version)) terminal[wasAskedFor ? 'line' : 'note'](line)
  return wasAskedFor ? EXIT.ok : EXIT.usage
}

function flagsOf(...some: readonly Command[]): CommandFlags {
  const own = some.flatMap(({ flags }) =>
    Object.entries(flags).map(([name, { value }]) => [name, value === undefined ? 'switch' : 'value'] as const),
  )
  return { ...EVERYWHERE, ...Object.fromEntries(own) }
}

/** @throws {UsageError} with the nearest command. */
function find([first = '', second]: readonly string[]): Command {
  const two = `${first} ${second ?? ''}`
  const command = commands.find(({ name }) => name === two) ?? commands.find(({ name }) => name === first)
  if (command !== undefined) return command
  const family = commands.filter(({ name }) => name.startsWith(`${first} `))
  if (family.length > 0) {
    const usages = family.map(({ name, words }) => `lonja ${name} ${words}`)
    throw new UsageError(`${first} alone is no command: write ${usages.join(' or ')}.`)
  }
  const names = commands.map(({ name }) => name)
  const near = nearest(first, names) ?? nearest(two, names)
  const advice = near === undefined ? '`lonja --help` lists them.' : `Did you mean ${near}?`
  throw new UsageError(`There is no command ${first}. ${advice}`)
}

function callOf(command: Command, { argv, environment, readEnvFile }: Invocation, terminal: Terminal): Call {
  const resolved = resolveSettings(argv, environment, {
    envFile: readEnvFile(),
    commandFlags: flagsOf(command),
    serviceNames: services.map(({ name }) => name),
    feedNames,
  })
  for (const note of resolved.notes) terminal.note(`lonja: ${note}`)
  const { settings, list, flags } = resolved
  return { words: wordsAfter(command, resolved), flags, settings, list, terminal }
}

function wordsAfter({ name }: Command, { words }: Resolved): readonly string[] {
  return words.slice(name.split(' ').length)
}

/** Errors whose message was written for the person at the terminal. */
const TOLD = [CommandError, UsageError, StoreUnavailable]

function sentencesOf(error: unknown): readonly string[] {
  if (error instanceof SettingsError) return error.problems
  if (!(error instanceof Error)) return [`Something broke: ${String(error)}.`]
  const isOurs = TOLD.some((known) => error instanceof known)
  const isEngines = /^(?:Type|Range|Reference|Syntax|Assertion)Error$/.test(error.name)
  if (isOurs || !isEngines) return [error.message]
  return [`Something broke on our side (${error.name}: ${error.message}). Please report it with what you did.`]
}
