// How the text of each kind of setting is read, and what a person is told to write instead when it does not fit.
import { milliseconds, type Duration } from '../../kernel/duration.ts'

/** A setting: its flag, its variables, its default, how it is read and what it is for. */
export interface Setting<Value> {
  /** Undefined where a value on the command line would show a secret to everybody on the machine. */
  readonly flag?: string | undefined
  readonly environment: readonly [string, ...string[]]
  readonly fallback: string
  /** @throws {Unfit} what to write instead */
  readonly parse: (text: string) => Value
  readonly description: string
  /** `hidden` is never shown; of an `address` the password is not. */
  readonly secret?: 'hidden' | 'address'
}

export const setting = <Value>(rules: Setting<Value>): Setting<Value> => rules

/** What to write instead, as the end of a sentence. */
export class Unfit extends Error {
  override readonly name = 'Unfit'
}

/** Where state is kept; a SQLite path `:memory:` keeps it until the process ends. */
export type StoreAddress =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgres'; readonly url: string }

export const PROCESS_ROLES = ['api', 'worker'] as const
export type ProcessRole = (typeof PROCESS_ROLES)[number]

const MAX_DURATION_MS = 365 * 86_400_000

export function matching(pattern: RegExp, advice: string): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw new Unfit(advice)
    return text
  }
}

export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    throw new Unfit(`write a whole number from ${least} to ${most}`)
  }
}

/** A share between none and all. */
export function share(text: string): number {
  const value = /^\d(?:\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN
  if (value <= 1) return value
  throw new Unfit('write a share from 0 to 1, such as 0.05')
}

export function oneOf<const Choice extends string>(choices: readonly Choice[]): (text: string) => Choice {
  return (text) => {
    const chosen = choices.find((choice) => choice === text.toLowerCase())
    if (chosen === undefined) throw new Unfit(`write one of ${choices.join(', ')}`)
    return chosen
  }
}

export function onOff(text: string): boolean {
  return oneOf(['on', 'off'])(text) === 'on'
}

export function webAddress(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text
  throw new Unfit('write an address such as https://hooks.example/lonja')
}

/** What was left empty is undefined. */
export function orNothing<Value>(parse: (text: string) => Value): (text: string) => Value | undefined {
  return (text) => (text === '' ? undefined : parse(text))
}

/** Milliseconds of a duration, with or without the blank: '10 s', '500ms', '24 h'. */
export function duration(text: string): number {
  const [, amount, unit] = /^(\d{1,9}(?:\.\d{1,3})?) ?(ms|s|min|h|d)$/.exec(text) ?? []
  const value = amount === undefined ? Number.NaN : milliseconds(`${amount} ${unit}` as Duration)
  if (value <= MAX_DURATION_MS) return value
  throw new Unfit("write a duration of at most a year, such as '500 ms', '30 s', '5 min' or '24 h'")
}

export function storeAddress(text: string): StoreAddress {
  const [, path] = /^sqlite:(?:\/\/)?(.+)$/.exec(text) ?? []
  if (path !== undefined) return { kind: 'sqlite', path }
  if (/^postgres(?:ql)?:\/\/\S+$/.test(text) && URL.canParse(text)) return { kind: 'postgres', url: text }
  throw new Unfit('write sqlite:PATH, sqlite::memory: or postgres://user:password@host:5432/database')
}

/** `host:port` of each broker, with or without kafka:// before them. */
export function brokerList(text: string): readonly string[] {
  const brokers = text
    .replace(/^kafka:\/\//, '')
    .split(',')
    .map((broker) => broker.trim())
  const isOne = (broker: string): boolean => /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/.test(broker)
  if (brokers.every(isOne)) return brokers
  throw new Unfit('write kafka://host:9092, or several brokers parted by commas')
}

/** What the name of a consumer group may begin with. */
export function groupPrefix(text: string): string {
  if (/^[\w.-]{0,100}$/.test(text)) return text
  throw new Unfit("write up to 100 letters, digits, '.', '_' and '-', such as shop.")
}

const listOf = (text: string): readonly string[] => [
  ...new Set(
    text
      .split(/[\s,]+/)
      .map((each) => each.toLowerCase())
      .filter((each) => each !== ''),
  ),
]

export function serviceList(text: string): readonly string[] | 'all' {
  const names = listOf(text)
  if (names.length === 1 && names[0] === 'all') return 'all'
  if (names.length > 0 && names.every((name) => /^[a-z][a-z0-9-]*$/.test(name))) return names
  throw new Unfit('write all, or names of services such as orders,inventory')
}

/** Identities of logs, as `/health` names them. */
export function idList(text: string): readonly string[] {
  const ids = listOf(text)
  if (ids.every((id) => /^[\w-]{1,64}$/.test(id))) return ids
  throw new Unfit('write the names of logs as /health tells them, parted by commas')
}

/** Names of feeds; none where nothing is written. */
export function feedList(text: string): readonly string[] {
  const names = listOf(text)
  if (names.every((name) => /^[a-z][a-z0-9-]*$/.test(name))) return names
  throw new Unfit('write names of feeds such as order-states,domain-events')
}

/** `workers` is what other systems call the role. */
export function roleList(text: string): readonly ProcessRole[] {
  const names = listOf(text).map((name) => (name === 'workers' ? 'worker' : name))
  const roles = PROCESS_ROLES.filter((role) => names.includes(role))
  if (roles.length > 0 && roles.length === names.length) return roles
  throw new Unfit('write api, worker or api,worker')
}

/** Origins as browsers send them: no path, no slash at the end. */
export function originList(text: string): readonly string[] {
  const origins = listOf(text)
  const isOrigin = (each: string): boolean => each === '*' || (URL.canParse(each) && new URL(each).origin === each)
  if (origins.every(isOrigin)) return origins
  throw new Unfit('write origins without a path, such as https://shop.example,http://localhost:5173, or *')
}
