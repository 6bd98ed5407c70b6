// What is declared about the faults of each consumer group, ready for use.
import type { FaultTable } from '../../kernel/fault.ts'
import { FAULTS } from '../../kernel/fault.ts'
import type { DeadPolicy, ParkingRules } from '../../kernel/parking.ts'
import {
  DEFAULT_MAX_KEYS,
  DEFAULT_MAX_MESSAGES,
  DEFAULT_TRIES,
  DEFAULT_TRY_FOR,
  whenDead,
} from '../../kernel/parking.ts'
import type { Service } from '../../kernel/service.ts'
import { milliseconds } from '../../kernel/duration.ts'
import type { Random } from '../ports.ts'
import type { Group } from '../runtime/registry.ts'

export interface GroupPolicy {
  readonly tries: number
  readonly tryForMs: number
  readonly maxKeys: number
  readonly maxMessages: number
  readonly faults: FaultTable
  readonly whenDead: (topic: string) => DeadPolicy
}

/** Tries in place, some hundredths of a second apart, before a message is parked. */
export const QUICK_TRIES = 3
/**
 * A message of a newer program's type waits so long for that program, from its first sight on: longer than an upgrade
 * that somebody stops in the evening and ends in the morning.
 */
export const UNKNOWN_WAITS_MS = 24 * 3_600_000
/** A program learns no type while it runs, so it looks for the end alone; who takes the key over tries it at once. */
export const UNKNOWN_RECHECK_MS = 15 * 60_000
/** The pause before the first retry of a parked message lies between nothing and this; it doubles with each. */
const RETRY_BASE_MS = 1000
const RETRY_MAX_MS = 15 * 60_000

export function policyOf({ name, projection, feed }: Group, service: Service): GroupPolicy {
  const isMain = projection === undefined && feed === undefined
  // A feed holds a key whose event it can't map: its readers count on the order of each key.
  const ofOthers: ParkingRules = feed === undefined ? (service.parking.projections ?? {}) : {}
  const rules: ParkingRules = isMain ? service.parking : ofOthers
  const { tries = DEFAULT_TRIES, tryFor = DEFAULT_TRY_FOR } = rules
  const { maxKeys = DEFAULT_MAX_KEYS, maxMessages = DEFAULT_MAX_MESSAGES } = rules
  if (service.name !== name && isMain) throw new Error(`${name} is no group of ${service.name}.`)
  return {
    tries,
    tryForMs: milliseconds(tryFor),
    maxKeys,
    maxMessages,
    faults: faultsOf(service),
    whenDead: (topic) => whenDead(rules, topic),
  }
}

/** A refusal that a lagging copy may have caused passes when the copy has caught up. */
function faultsOf({ codes, faults }: Service): FaultTable {
  const passing = Object.entries(codes).filter(([, { mayCatchUp }]) => mayCatchUp === true)
  return { ...FAULTS, ...Object.fromEntries(passing.map(([code]) => [code, 'transient'] as const)), ...faults }
}

/**
 * The pause before the next retry: exponential with full jitter, so that a thousand keys which failed together do not
 * come back together (AWS Architecture Blog, "Exponential Backoff And Jitter").
 *
 * @param attempts tries so far, the quick ones included.
 */
export function retryDelayMs(attempts: number, random: Random): number {
  const ceiling = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.max(0, attempts - QUICK_TRIES))
  return Math.ceil(random.fraction() * ceiling)
}

/** What is wrong with a service's rules, one sentence each; for the check at start. */
export function parkingProblems({ name, parking, faults }: Service, topics: ReadonlySet<string>): string[] {
  const problems: string[] = []
  for (const rules of [parking, parking.projections ?? {}]) {
    const { whenDead: policy = 'hold', tries = DEFAULT_TRIES, maxKeys = 1, maxMessages = 1 } = rules
    if (typeof policy !== 'string') {
      const unknown = Object.keys(policy).filter((topic) => !topics.has(topic))
      problems.push(...unknown.map((topic) => `${name} says what becomes of ${topic}, which it does not read.`))
    }
    if (tries < QUICK_TRIES) problems.push(`${name} tries messages ${tries} times; ${QUICK_TRIES} go in place already.`)
    if (maxKeys < 1 || maxMessages < 1)
      problems.push(`${name} lets no message be parked, so each would stop a partition.`)
  }
  const classes = new Set(['transient', 'permanent', 'undecodable', 'unknown'])
  const odd = Object.entries(faults).filter(([, faultClass]) => !classes.has(faultClass))
  return [...problems, ...odd.map(([code, faultClass]) => `${name} puts ${code} into the unknown class ${faultClass}.`)]
}
