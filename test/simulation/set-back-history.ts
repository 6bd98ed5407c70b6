// A history in which one of two databases is set back to an earlier copy of itself and goes on: what it says from then
// on is heard, though others have read its new numbers before.
import { startIncarnation } from '../../src/platform/store/sqlite-incarnation.ts'
import { membershipAlone } from '../../src/platform/store/membership-alone.ts'
import type { Observer } from '../../src/platform/runtime/observer.ts'
import { services as shippedServices } from '../../src/services.ts'
import { Callers } from './callers.ts'
import type { Call } from './callers.ts'
import type { HistoryConfig, SetBack, Side } from './config.ts'
import type { Copy } from './database.ts'
import { Database } from './database.ts'
import { FaultPlan } from './faults.ts'
import type { HistoryOptions, Outcome } from './outcome.ts'
import { MAX_STEPS, REST_WITHIN_MS, UNREST_MS } from './outcome.ts'
import type { Mutant } from './mutant.ts'
import type { NodePorts } from './node.ts'
import { SimulatedNode } from './node.ts'
import { nodeStore } from './node-store.ts'
import { Oracle } from './oracle.ts'
import type { Committed } from './oracle.ts'
import type { Outside } from './outside.ts'
import { adaptersOf, openOutside } from './outside.ts'
import type { Mishaps, NodeLife } from './ports.ts'
import { Gate } from './ports.ts'
import { Poison } from './poison.ts'
import { RareCounts } from './rare.ts'
import { SeededRandom } from './random.ts'
import { requestOf } from './requests.ts'
import { checkSetBack, numbersLost } from './set-back-rest.ts'
import type { NumbersLost } from './set-back-rest.ts'
import { SERVICE_NAMES } from './wiring.ts'
import { prepareAll } from './worker.ts'
import { World, WORLD_START, drained } from './world.ts'

export interface Place {
  readonly side: Side
  /** By it other handles reach the same memory. */
  readonly path: string
  readonly services: readonly string[]
  readonly database: Database
}

export interface SetBackConfig extends HistoryConfig {
  readonly setBack: SetBack
}

const INVENTORY = ['inventory']
const DOWN_MS = 1000

let opened: Promise<readonly Place[]> | undefined

/** Both databases of this process, with the same beginning for every history. */
function openPlaces(): Promise<readonly Place[]> {
  opened ??= (async () => {
    const place = async (side: Side, services: readonly string[]): Promise<Place> => {
      const path = `file:${side}?mode=memory&cache=shared`
      return { side, path, services, database: await Database.open(services, path) }
    }
    const others = SERVICE_NAMES.filter((name) => !INVENTORY.includes(name))
    const places = [await place('others', others), await place('inventory', INVENTORY)]
    await prepareAll(places)
    return places
  })()
  return opened
}

export class SetBackHistory {
  readonly config: SetBackConfig
  readonly places: readonly Place[]
  readonly world: World
  readonly rare = new RareCounts()
  readonly plan: FaultPlan
  readonly callers: Callers
  readonly alarms: string[] = []
  /** Another one once the database has gone back: it begins with what is there then. */
  oracle: Oracle
  /** What groups of the other database had read of what was lost. */
  lost: readonly NumbersLost[] = []
  incarnation = 1
  failure: { readonly check: string; readonly message: string } | undefined
  readonly #mutant: Mutant
  readonly #gate: Gate
  readonly #outside: Outside
  readonly #node: SimulatedNode
  #commits = 0

  constructor(places: readonly Place[], config: SetBackConfig, { mutant, traces = false }: HistoryOptions) {
    const { seed, orderliness, commands, latency } = config
    const random = (name: string) => new SeededRandom(seed, name)
    this.config = config
    this.places = places
    this.#mutant = mutant ?? { name: 'none' }
    this.world = new World(seed, { orderliness, traces })
    const { world, rare, fail } = this
    this.oracle = new Oracle(fail, rare)
    this.plan = new FaultPlan(config.faults)
    const { plan } = this
    this.#gate = new Gate({ world, plan, rare, random: random('latency'), latency, mishaps: this.#mishaps() })
    this.#outside = openOutside({ world, rare, random: random('outside'), mailFailureRate: 0 })
    this.#node = new SimulatedNode({
      name: 'node-1',
      world,
      random: random('node-1'),
      services: shippedServices,
      portsOf: (life) => this.#portsOf(life),
      taste: new Poison(world, rare).taste,
      rare,
      observer: this.#observer(),
      strict: false,
    })
    // The oracle is another one later on.
    const seen = () => this.oracle.orders
    const oracle = {
      get orders() {
        return seen()
      },
    }
    this.callers = new Callers({ world, oracle, nodes: [this.#node], rare, fail, commands, random: random('callers') })
  }

  /** Notes the first promise that is broken; the history ends there. */
  fail = (check: string, message: string): void => {
    this.failure ??= { check, message }
    this.world.note(`BROKEN ${check}: ${message}`)
  }

  storeOf = (service: string) => this.#placeOf(service).database.store

  #placeOf(service: string): Place {
    const place = this.places.find(({ services }) => services.includes(service)) ?? this.places[0]
    if (place === undefined) throw new Error('There is no database.')
    return place
  }

  /** The database that goes back. */
  get victim(): Place {
    const { side } = this.config.setBack
    return this.places.find((place) => place.side === side) as Place
  }

  #observer(): Partial<Observer> {
    const { world, rare } = this
    return {
      committed: () => this.callers.lookAgain(),
      fault: ({ group, position, type }, error) =>
        world.note(`fault of ${group} at ${position}, ${type}: ${(error as Error).message}`),
      parked: ({ group, key, code }) => world.note(`parks ${key} of ${group}: ${code}`),
      alarm: ({ group, channel: { source, topic, partition } }, message) => {
        if (message.includes('its source went back')) rare.hit('new incarnation seen')
        this.alarms.push(`${group.name} ${source}/${topic}/${partition} ${message}`)
        world.note(`alarm of ${group.name} for ${topic}/${partition}: ${message}`)
      },
    }
  }

  #portsOf(life: NodeLife): NodePorts {
    const { world, rare } = this
    const [gate, outside] = [this.#gate, this.#outside]
    const oracle = { committed: (commit: Committed) => this.#committed(commit) }
    const stores = this.places.map(({ services, database }) => {
      const base = database.store
      return {
        services,
        store: nodeStore({ base, gate, life, oracle, world, rare, isAlone: true, mutant: {} }),
      }
    })
    return {
      databases: stores.map(({ services, store }) => ({ store, services, membership: membershipAlone() })),
      adapters: adaptersOf({ outside, gate, life, rare }),
      handling: (service) => stores.find(({ services }) => services.includes(service))?.store.handling() ?? [],
    }
  }

  /** Each database has tables of the platform under the same names: only those of services are looked at. */
  #committed(commit: Committed): void {
    this.#commits += 1
    const writes = commit.plan.writes.filter(({ table }) => table.schema !== 'lonja')
    this.oracle.committed({ ...commit, plan: { ...commit.plan, writes } })
  }

  #mishaps(): Mishaps {
    const down = (forMs: number) => this.#node.kill(forMs)
    const nothing = () => undefined
    return {
      crash: (_life, forMs) => down(forMs),
      crashAll: down,
      stop: nothing,
      stealLease: nothing,
      poison: nothing,
      deliverAgain: nothing,
      rebuild: nothing,
    }
  }

  /** Runs it to its end. */
  async run(): Promise<Outcome> {
    const { setBack, commands } = this.config
    for (const { database } of this.places) await database.reset()
    this.oracle.begin(merged(this.places.map(({ database }) => database.beginning)))
    this.#node.start()
    await this.#steps(WORLD_START + setBack.copyAtMs)
    const copy = await this.victim.database.copy()
    const answered = new Set(this.callers.calls.filter(({ answer }) => answer !== undefined))
    await this.#steps(WORLD_START + setBack.restoreAtMs)
    if (this.failure === undefined) await this.#setBack(copy, answered)
    await this.#steps(WORLD_START + Math.max(0, ...commands.map(({ atMs }) => atMs)) + UNREST_MS)
    this.plan.end()
    this.#node.life.awayUntil = 0
    if (!this.#node.life.alive) this.#node.start()
    await this.#steps(this.world.now + REST_WITHIN_MS)
    if (this.failure === undefined) await this.#check()
    this.#node.kill(Number.POSITIVE_INFINITY)
    await drained()
    return this.#outcome()
  }

  async #steps(untilMs: number): Promise<void> {
    while (this.failure === undefined && this.world.steps < MAX_STEPS) if (!(await this.world.step(untilMs))) break
    this.world.now = Math.max(this.world.now, Number.isFinite(untilMs) && !this.world.isAtRest ? untilMs : 0)
  }

  /** All processes die, one database goes back, and they start again. */
  async #setBack(copy: Copy, answered: ReadonlySet<Call>): Promise<void> {
    const { world, rare, victim, fail, callers } = this
    world.note(`${victim.side} is set back`)
    rare.hit('database set back')
    this.#node.kill(DOWN_MS)
    await drained()
    const before = this.oracle
    await victim.database.putBack(copy)
    if (this.#mutant.keepsIncarnation !== true)
      this.incarnation = startIncarnation(victim.path, { lost: [this.incarnation], now: world.now })
    const copies = await Promise.all(this.places.map(({ database }) => database.readAgain()))
    this.oracle = new Oracle(fail, rare)
    this.oracle.capturing = this.#outside.capturing
    this.oracle.begin(merged(copies))
    this.lost = numbersLost({ before, after: this.oracle, victim })
    // Whoever has read further begins again where the new incarnation does.
    for (const { group, place, from } of this.lost) this.oracle.cursors.set(`${group} ${place}`, from)
    const isLost = (call: Call) => !answered.has(call) && victim.services.includes(requestOf(call.command, '').service)
    callers.forget(callers.calls.filter((call) => call.answer !== undefined && isLost(call)))
  }

  async #check(): Promise<void> {
    if (!this.world.isAtRest) {
      this.fail('no rest', `something still goes on: ${this.world.open.slice(0, 5).join(', ')}`)
      return
    }
    try {
      await checkSetBack(this)
    } catch (error) {
      this.fail('the check itself', (error as Error).message)
    }
  }

  #outcome(): Outcome {
    const { config, failure, rare, world, plan } = this
    const { traceHash, trace, steps } = world
    const faultsHappened = plan.happened
    return { config, failure, rare, traceHash, trace, faultsHappened, calls: plan.calls, steps, commits: this.#commits }
  }
}

/** The rows of all databases, without the platform's own tables, which each has. */
export function merged(copies: readonly Copy[]): Copy {
  return new Map(copies.flatMap((copy) => [...copy].filter(([table]) => !table.startsWith('lonja_'))))
}

/** Runs it on the two databases of this process. */
export async function runSetBackHistory(config: SetBackConfig, options: HistoryOptions): Promise<Outcome> {
  return new SetBackHistory(await openPlaces(), config, options).run()
}
