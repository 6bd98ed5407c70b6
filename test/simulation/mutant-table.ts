// Runs each mutant until a check catches it, and prints which one did, and how soon.
import type { HistoryConfig } from './config.ts'
import { plainConfigOf, setBackConfigOf, withCancellations, withMore, withScalings } from './config.ts'
import type { Database } from './database.ts'
import { kafkaConfigOf } from './kafka/rules.ts'
import { runHistory } from './run-history.ts'
import type { Mutant } from './mutant.ts'
import { MUTANTS } from './mutants.ts'
import type { Options } from './options.ts'
import { openWorker } from './worker.ts'

/** A mutant that lives longer than this lives; seconds of CPU, so that what else runs here does not count. */
const LIMIT_S = 60

export interface Kill {
  readonly mutant: string
  /** Undefined where nothing caught it. */
  readonly check: string | undefined
  readonly message: string
  readonly seeds: number
  readonly seconds: number
}

/** @returns whether each was caught. */
export async function runMutants({ only, from }: Options, say: (line: string) => void): Promise<boolean> {
  const database = await openWorker()
  const kills: Kill[] = []
  for (const mutant of MUTANTS) {
    if (!mutant.name.includes(only)) continue
    kills.push(await killOf(database, mutant, { from, limitMs: LIMIT_S * 1000 }))
    say(`${mutant.name}: ${kills.at(-1)?.check ?? 'LIVES'}`)
  }
  const width = Math.max(...kills.map(({ mutant }) => mutant.length))
  say(`\n${'mutant'.padEnd(width)}  seeds  CPU s  caught by`)
  for (const { mutant, check, message, seeds, seconds } of kills) {
    const caught = check === undefined ? 'nothing' : `${check}: ${message.split('\n')[0]?.slice(0, 120)}`
    say(`${mutant.padEnd(width)}  ${String(seeds).padStart(5)}  ${seconds.toFixed(1).padStart(5)}  ${caught}`)
  }
  return kills.every(({ check }) => check !== undefined)
}

export function configFor(mutant: Mutant, seed: number): HistoryConfig {
  const { favours, undoesFirst, cancels, keepsIncarnation, scales, kafka } = mutant
  if (keepsIncarnation === true) return setBackConfigOf(seed)
  if (kafka !== undefined) return withMore(kafkaConfigOf(seed), favours ?? [])
  const plain = scales === undefined ? plainConfigOf(seed) : withScalings(plainConfigOf(seed))
  const drawn = cancels === undefined ? plain : withCancellations(plain)
  const config = undoesFirst === undefined ? drawn : { ...drawn, isUndoneFirst: true }
  return favours === undefined ? config : withMore(config, favours)
}

/** Runs seeds with the safeguard away until one breaks. */
export async function killOf(
  database: Database,
  mutant: Mutant,
  { from, limitMs }: { readonly from: number; readonly limitMs: number },
): Promise<Kill> {
  const before = process.cpuUsage()
  const seconds = () => {
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1e6
  }
  const undo = mutant.install?.()
  let seeds = 0
  try {
    for (let seed = from; seconds() * 1000 < limitMs; seed += 1) {
      const { failure } = await runHistory(database, configFor(mutant, seed), { mutant })
      seeds += 1
      if (failure !== undefined) return { mutant: mutant.name, ...failure, seeds, seconds: seconds() }
    }
  } finally {
    undo?.()
  }
  return { mutant: mutant.name, check: undefined, message: '', seeds, seconds: seconds() }
}
