// Prepares a worker process: one database, its beginning made by the shipped application itself.
import { membershipAlone } from '../../src/platform/store/membership-alone.ts'
import { Lonja } from '../../src/platform/runtime/lonja.ts'
import { silentObserver } from '../../src/platform/runtime/observer.ts'
import { services } from '../../src/services.ts'
import { Database } from './database.ts'
import { SeededRandom } from './random.ts'
import { PREPARATION } from './requests.ts'
import { SERVICE_NAMES } from './wiring.ts'
import { World, drained, newLife } from './world.ts'
import { ask } from './ask.ts'

/** The beginning is the same for all seeds. */
const SEED = 1

/** A database and the services whose state lies there. */
export interface Home {
  readonly database: Database
  readonly services: readonly string[]
}

/** Opens the database that histories share, with a client and some products in it. */
export async function openWorker(): Promise<Database> {
  const database = await Database.open(SERVICE_NAMES)
  await prepareAll([{ database, services: SERVICE_NAMES }])
  return database
}

/** A beginning that the shipped application made, over all these databases. */
export async function prepareAll(homes: readonly Home[]): Promise<void> {
  const world = new World(SEED, { orderliness: 1, traces: false })
  const life = newLife('preparation')
  const lonja = new Lonja({
    services,
    chosen: SERVICE_NAMES,
    databases: homes.map(({ database: { store }, ...home }) => ({ store, membership: membershipAlone(), ...home })),
    works: true,
    adapters: {},
    clock: world.clockOf(life),
    random: new SeededRandom(SEED, 'preparation'),
    observer: silentObserver,
  })
  const preparation = { isDone: false }
  const ready = prepare(lonja).finally(() => (preparation.isDone = true))
  while (!preparation.isDone || !world.isAtRest) {
    await drained()
    await world.step(Number.POSITIVE_INFINITY)
  }
  await ready
  await lonja.stop()
  for (const { database } of homes) await database.keepBeginning()
}

async function prepare(lonja: Lonja): Promise<void> {
  await lonja.start()
  for (const asked of PREPARATION) await ask(lonja, { ...asked, principal: 'preparation', scope: undefined })
}
