// The settings of the process, filled from flags over environment over .env over defaults.
import { parseEnv } from 'node:util'
import { nearest, readCommandLine, type CommandFlags, type CommandLine } from './settings/command-line.ts'
import { Unfit, type Setting, type StoreAddress } from './settings/parsers.ts'
import { settingsTable } from './settings/table.ts'

type Name = keyof typeof settingsTable
type ValueOf<Each> = Each extends Setting<infer Value> ? Value : never

export type Settings = { readonly [Each in Name]: ValueOf<(typeof settingsTable)[Each]> } & {
  /** Services with a database of their own. */
  readonly storeByService: Readonly<Record<string, StoreAddress>>
}

/** One line of `lonja settings`. */
export interface ListedSetting {
  readonly name: string
  readonly flag: string | undefined
  readonly environment: readonly string[]
  /** As written, secrets as ***. */
  readonly value: string
  /** Such as `--port`, `PORT`, `PORT in .env` or `default`. */
  readonly source: string
  readonly description: string
}

export interface ResolveOptions {
  /** The text of the .env file, if there is one. */
  readonly envFile?: string
  /** The flags of the command itself: those that stand alone, and those that take a value. */
  readonly commandFlags?: CommandFlags
  /** The names of all services, so that a misspelt one is noticed. */
  readonly serviceNames?: readonly string[]
  /** The names of all feeds, likewise. */
  readonly feedNames?: readonly string[]
}

export interface Resolved {
  readonly settings: Settings
  readonly list: readonly ListedSetting[]
  /** What is no flag, in order: the command and its arguments. */
  readonly words: readonly string[]
  /** The flags of the command that were given; a switch is `true`. */
  readonly flags: Readonly<Record<string, string | true>>
  /** Variables that begin with LONJA_ and mean nothing: worth a line in the log. */
  readonly notes: readonly string[]
}

/** Everything that is wrong with the settings, a sentence each. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads all settings.
 *
 * @throws {SettingsError} with every mistake at once
 * @example
 * resolveSettings(['serve', '--port', '9000'], process.env).settings.port // 9000
 */
export function resolveSettings(argv: readonly string[], env: Environment, options: ResolveOptions = {}): Resolved {
  const problems: string[] = []
  const line = readCommandLine(argv, options.commandFlags ?? {}, problems)
  const places: readonly Place[] = [
    { label: (name) => name, values: withValue(env) },
    { label: (name) => `${name} in .env`, values: withValue(parseEnv(options.envFile ?? '')) },
  ]
  const found = Object.entries<Setting<unknown>>(settingsTable).map(([name, each]) => find(name, each, line, places))
  const stores = findStores(places, options.serviceNames, problems)
  const byService = stores.map((each) => [each.name, parsed(each, problems)] as const)
  const values: Record<string, unknown> = { storeByService: Object.fromEntries(byService) }
  for (const each of found) values[each.name] = parsed(each, problems)
  checkNames('service', { given: values['services'], known: options.serviceNames }, problems)
  checkNames('feed', { given: values['feeds'], known: options.feedNames }, problems)
  if (problems.length > 0) throw new SettingsError(problems)
  return {
    settings: values as unknown as Settings,
    list: [...found, ...stores].map(listed),
    words: line.words,
    flags: line.flags,
    notes: notesOn(places),
  }
}

interface Place {
  readonly label: (name: string) => string
  readonly values: ReadonlyMap<string, string>
}

interface Found {
  readonly name: string
  readonly rules: Setting<unknown>
  readonly text: string
  readonly source: string
}

// Container files pass on variables that are not set as empty ones.
function withValue(env: Environment): ReadonlyMap<string, string> {
  const values = new Map(Object.entries(env).flatMap(([name, value]) => (value ? [[name, value] as const] : [])))
  const brokers = numberedBrokers(values)
  return brokers === '' || values.has('KAFKA_BROKERS') ? values : values.set('KAFKA_BROKERS', brokers)
}

/** KAFKA_BROKER_1, KAFKA_BROKER_2 and so on, in the order of their numbers. */
function numberedBrokers(values: ReadonlyMap<string, string>): string {
  const numbered = [...values].flatMap(([name, broker]) => {
    const [, number] = /^KAFKA_BROKER_(\d{1,3})$/.exec(name) ?? []
    return number === undefined ? [] : [[Number(number), broker] as const]
  })
  return numbered
    .toSorted(([one], [other]) => one - other)
    .map(([, broker]) => broker)
    .join(',')
}

function find(name: string, rules: Setting<unknown>, { given }: CommandLine, places: readonly Place[]): Found {
  const flag = rules.flag === undefined ? undefined : given.get(rules.flag)
  if (flag !== undefined) return { name, rules, text: flag, source: `--${rules.flag}` }
  for (const { label, values } of places) {
    const variable = rules.environment.find((each) => values.has(each))
    const text = variable === undefined ? undefined : values.get(variable)
    if (variable !== undefined && text !== undefined) return { name, rules, text, source: label(variable) }
  }
  return { name, rules, text: rules.fallback, source: 'default' }
}

function parsed({ rules, text, source }: Found, problems: string[]): unknown {
  try {
    return rules.parse(text.trim())
  } catch (error) {
    problems.push(complaint(source, rules.secret === undefined ? text : undefined, error))
    return undefined
  }
}

function complaint(source: string, text: string | undefined, error: unknown): string {
  if (!(error instanceof Unfit)) throw error
  return `${source} ${text === undefined ? 'is not right' : `is ${JSON.stringify(text)}`}: ${error.message}.`
}

function listed({ name, rules, text, source }: Found): ListedSetting {
  const { flag, environment, description } = rules
  return { name, flag, environment, value: shown(text, rules.secret), source, description }
}

function shown(text: string, secret: Setting<unknown>['secret']): string {
  if (secret === 'hidden') return text === '' ? '' : '***'
  if (secret === undefined) return text
  return text.replace(/:\/\/([^:/@]*):.*@/, '://$1:***@').replace(/(password=)[^&]*/gi, '$1***')
}

const STORE_OF_SERVICE = /^STORE_URL_([A-Z0-9_]+)$/

// The environment comes after .env, so that it wins.
function findStores(
  places: readonly Place[],
  names: readonly string[] | undefined,
  problems: string[],
): readonly Found[] {
  const stores = new Map<string, Found>()
  for (const { label, values } of places.toReversed()) {
    for (const [variable, text] of values) {
      const name = STORE_OF_SERVICE.exec(variable)?.[1]?.toLowerCase().replaceAll('_', '-')
      if (name === undefined) continue
      if (names?.includes(name) === false) problems.push(`${label(variable)} names no service.${guess(name, names)}`)
      const rules = { ...settingsTable.store, flag: undefined, environment: [variable] as const }
      stores.set(name, {
        name,
        rules: { ...rules, description: `Database of ${name} alone.` },
        text,
        source: label(variable),
      })
    }
  }
  return [...stores.values()]
}

interface Names {
  readonly given: unknown
  readonly known: readonly string[] | undefined
}

function checkNames(what: string, { given, known }: Names, problems: string[]): void {
  if (!Array.isArray(given) || known === undefined) return
  for (const name of given as readonly string[]) {
    if (!known.includes(name)) problems.push(`There is no ${what} ${name}.${guess(name, known)}`)
  }
}

const meant = (near: string | undefined): string => (near === undefined ? '' : ` Did you mean ${near}?`)

function guess(name: string, known: readonly string[]): string {
  return meant(nearest(name, known)) || ` There are ${known.join(', ')}.`
}

function notesOn(places: readonly Place[]): readonly string[] {
  const known = Object.values<Setting<unknown>>(settingsTable).flatMap(({ environment }) => environment)
  return places.flatMap(({ label, values }) =>
    [...values.keys()]
      .filter((name) => name.startsWith('LONJA_') && !known.includes(name))
      .map((name) => `${label(name)} is no setting and changes nothing.${meant(nearest(name, known))}`),
  )
}
