// The texts of `--help`: all commands at a glance, and one command with its flags and settings.
import type { Setting } from '../platform/settings/parsers.ts'
import { settingsTable } from '../platform/settings/table.ts'
import type { Command } from './command.ts'
import { tableOf, wrapped } from './terminal.ts'

const MAX_WIDTH = 100
const INDENT = '  '

export function generalHelp(commands: readonly Command[], version: string): string[] {
  return [
    `Lonja ${version}: an event-driven commerce backend. Orders, stock, payments and shipments that nothing loses.`,
    '',
    'Usage: lonja COMMAND [flags]',
    '',
    ...indented(tableOf(commands.map((command) => [usageOf(command), command.summary]))),
    '',
    '`lonja COMMAND --help` tells more. All commands but serve take --json.',
    'Settings come from flags, the environment and .env, in this order; `lonja settings` lists them with their source.',
    'Exit codes: 0 done; 1 it did not work, or a check found something; 2 the command itself was wrong.',
  ]
}

export function commandHelp(command: Command, columns: number): string[] {
  const width = Math.min(columns, MAX_WIDTH)
  return [
    `Usage: lonja ${usageOf(command)} [flags]`,
    '',
    ...command.description.flatMap((paragraph) => [...wrapped(paragraph, width), '']),
    ...section('Flags', flagLines(command)),
    ...section('Settings', settingLines(command)),
    ...section('Examples', command.examples),
  ].slice(0, -1)
}

/** The name of a command with what follows it. */
export function usageOf({ name, words }: Command): string {
  return words === '' ? name : `${name} ${words}`
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...indented(lines), '']
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `${INDENT}${line}`)
}

function flagLines({ flags }: Command): string[] {
  const rows = Object.entries(flags).map(([name, { value, description }]) => [
    value === undefined ? `--${name}` : `--${name} ${value}`,
    description,
  ])
  return tableOf([...rows, ['--help', 'Shows this.']])
}

function settingLines({ settings }: Command): string[] {
  const table: Readonly<Record<string, Setting<unknown>>> = settingsTable
  return tableOf(
    settings.flatMap((name) => {
      const rules = table[name]
      if (rules === undefined) return []
      const [variable] = rules.environment
      const fallback = rules.fallback === '' ? '' : ` (${rules.fallback})`
      return [[rules.flag === undefined ? variable : `--${rules.flag}`, `${rules.description}${fallback}`]]
    }),
  )
}
