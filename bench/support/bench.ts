// What a bench is, and what it is given: its options, its databases, and a line to say how far it is.
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Report } from './figures.ts'
import { measure } from './measure.ts'
import type { Dialect, Options } from './options.ts'
import type { Place, Places } from './places.ts'
import { expensiveFunctions } from './profile.ts'
import { startInProcess, type ProgramOptions } from './programs.ts'
import { openShop } from './shop.ts'

export interface Context {
  readonly options: Options
  readonly places: Places
  /** Says how far a long run is. */
  readonly progress: (text: string) => void
}

export interface Bench {
  readonly name: string
  readonly summary: string
  readonly run: (context: Context) => Promise<Report>
}

/** The options of a process that is measured under this name. */
export function measured({ profile }: Options, place: Place, name: string): ProgramOptions {
  if (profile === undefined) return { place }
  const folder = resolve(profile)
  mkdirSync(folder, { recursive: true })
  return { place, profile: { folder, name } }
}

/** What the profiles say, once their processes have ended. */
export function profileLines({ profile }: Options, names: readonly string[]): readonly string[] {
  if (profile === undefined) return []
  return names.flatMap((name) => expensiveFunctions(join(resolve(profile), `${name}.cpuprofile`)))
}

/** A database with so many confirmed orders, that nobody has open. */
export async function fill(
  { places, progress }: Context,
  dialect: Dialect,
  { name, orders }: { readonly name: string; readonly orders: number },
): Promise<Place> {
  const place = await places.make(dialect, name)
  const shop = await startInProcess({ place })
  await openShop(shop.address)
  await measure(shop, { orders }, (done) => progress(`${name}: ${done} of ${orders} orders stored`))
  await shop.stop()
  return place
}
