// A history in which the services lie in two databases that talk over Kafka, each with processes of its own.
import type { Observer } from '../../../src/platform/runtime/observer.ts'
import { services as shippedServices } from '../../../src/services.ts'
import { checkAtRest, checkHeads } from '../at-rest.ts'
import { Callers } from '../callers.ts'
import { Database } from '../database.ts'
import { FaultPlan } from '../faults.ts'
import { Leases } from '../leases.ts'
import type { Mutant } from '../mutant.ts'
import type { NodePorts } from '../node.ts'
import { SimulatedNode } from '../node.ts'
import { nodeStore } from '../node-store.ts'
import type { Committed } from '../oracle.ts'
import { Oracle } from '../oracle.ts'
import type { HistoryOptions, Outcome } from '../outcome.ts'
import { MAX_STEPS, REST_WITHIN_MS, UNREST_MS } from '../outcome.ts'
import type { Outside } from '../outside.ts'
import { adaptersOf, openOutside } from '../outside.ts'
import { Poison } from '../poison.ts'
import type { Mishaps, NodeLife } from '../ports.ts'
import { Gate } from '../ports.ts'
import { countRareAtRest } from '../rare-at-rest.ts'
import { RareCounts } from '../rare.ts'
import { SeededRandom } from '../random.ts'
import { merged } from '../set-back-history.ts'
import { SERVICE_NAMES } from '../wiring.ts'
import { prepareAll } from '../worker.ts'
import { World, WORLD_START, drained, newLife } from '../world.ts'
import { Broker } from './broker.ts'
import { KafkaNode, RELAY_LEASE } from './kafka-node.ts'
import { Listener } from './listener.ts'
import type { PlaceHome } from './place.ts'
import { KafkaPlace } from './place.ts'
import { Resender } from './resender.ts'
import type { KafkaConfig } from './rules.ts'

const SALES = ['orders', 'payments']
/** Where nothing is under way any more all has to be on Kafka, and read, within this. */
const QUIET_WITHIN_MS = 600_000
const SHOWN_OPEN = 5

let opened: Promise<readonly PlaceHome[]> | undefined

/** Both databases of this process, with the same beginning for every history. */
function openHomes(): Promise<readonly PlaceHome[]> {
  opened ??= (async () => {
    const home = async (name: string, services: readonly string[]): Promise<PlaceHome> => {
      const path = `file:kafka-${name}?mode=memory&cache=shared`
      return { name, path, services, database: await Database.open(services, path) }
    }
    const others = SERVICE_NAMES.filter((name) => !SALES.includes(name))
    const homes = [await home('sales', SALES), await home('others', others)]
    await prepareAll(homes)
    return homes
  })()
  return opened
}

/** A database with its processes and who of them works on what. */
interface Site {
  readonly place: KafkaPlace
  readonly leases: Leases
  readonly relays: Leases
  readonly nodes: readonly SimulatedNode[]
}

export class KafkaHistory {
  readonly config: KafkaConfig
  readonly world: World
  readonly rare = new RareCounts()
  readonly oracle: Oracle
  readonly plan: FaultPlan
  readonly outside: Outside
  readonly callers: Callers
  readonly broker: Broker
  readonly listener: Listener
  readonly nodes: readonly SimulatedNode[]
  failure: { readonly check: string; readonly message: string } | undefined
  readonly #sites: readonly Site[]
  readonly #mutant: Mutant
  readonly #gate: Gate
  readonly #resender: Resender
  #isHealed = false

  constructor(homes: readonly PlaceHome[], config: KafkaConfig, { mutant, traces = false }: HistoryOptions) {
    const { seed, orderliness, commands, latency, mailFailureRate } = config
    const random = (name: string) => new SeededRandom(seed, name)
    this.config = config
    this.#mutant = mutant ?? { name: 'none' }
    this.world = new World(seed, { orderliness, traces })
    const { world, rare, fail } = this
    this.oracle = new Oracle(fail, rare)
    const { oracle } = this
    this.plan = new FaultPlan(config.faults)
    const { plan } = this
    this.listener = new Listener({ oracle: () => oracle, broker: () => this.broker, fail, rare })
    const { committed, lost } = this.listener
    this.broker = new Broker(world, rare, { committed, lost })
    this.#gate = new Gate({ world, plan, rare, random: random('latency'), latency, mishaps: this.#mishaps() })
    this.outside = openOutside({ world, rare, random: random('outside'), mailFailureRate })
    this.#sites = homes.map((home, index) => this.#siteOf(home, config.kafka.nodes[index] ?? 1))
    this.nodes = this.#sites.flatMap(({ nodes }) => nodes)
    this.#resender = new Resender({ world, rare, oracle, sites: this.#sites, random: random('resender') })
    this.oracle.capturing = this.outside.capturing
    this.callers = new Callers({ world, oracle, nodes: this.nodes, rare, fail, commands, random: random('callers') })
  }

  #siteOf(home: PlaceHome, count: number): Site {
    const { world, rare, config } = this
    const place = new KafkaPlace(home, rare)
    const leases = new Leases(world, rare)
    const relays = new Leases(world, rare, [RELAY_LEASE])
    const nodes = Array.from({ length: count }, (_, index) => {
      const name = `${home.name}-${index + 1}`
      return new SimulatedNode({
        name,
        world,
        random: new SeededRandom(config.seed, name),
        services: this.#mutant.services?.(shippedServices) ?? shippedServices,
        chosen: home.services,
        portsOf: (life) => this.#portsOf(life, { place, leases, relays }),
        taste: new Poison(world, rare).taste,
        rare,
        observer: this.#observerOf(name),
        weaken: this.#mutant.weaken,
        strict: false,
      })
    })
    return { place, leases, relays, nodes }
  }

  /** Notes the first promise that is broken; the history ends there. */
  fail = (check: string, message: string): void => {
    this.failure ??= { check, message }
    this.world.note(`BROKEN ${check}: ${message}`)
  }

  storeOf = (service: string) => this.#siteOfService(service).place.home.database.store

  #siteOfService(service: string): Site {
    const site = this.#sites.find(({ place }) => place.services.includes(service)) ?? this.#sites[0]
    if (site === undefined) throw new Error('There is no database.')
    return site
  }

  #observerOf(name: string): Partial<Observer> {
    const { world, rare } = this
    return {
      committed: () => this.callers.lookAgain(),
      conflicted: (reason) => world.note(`${name} conflicts: ${reason}`),
      fault: ({ group, position, type }, error) =>
        world.note(`${name} fault of ${group} at ${position}, ${type}: ${(error as Error).message}`),
      parked: ({ group, key, code }) => world.note(`${name} parks ${key} of ${group}: ${code}`),
      alarm: ({ group, channel }, message, kind) => {
        world.note(`${name} alarm of ${group.name} for ${channel.topic}/${channel.partition}: ${message}`)
        if (kind !== 'gap') return
        rare.hit('gap over Kafka seen')
        this.#resender.alarmed(channel)
      },
      storeDown: ({ message }) => world.note(`${name} store down: ${message}`),
    }
  }

  #portsOf(life: NodeLife, { place, leases, relays }: Omit<Site, 'nodes'>): NodePorts {
    const { world, rare, broker, outside, config } = this
    const gate = this.#gate
    const { database } = place.home
    const oracle = { committed: (commit: Committed) => this.#committed(commit) }
    const store = nodeStore({ base: database.store, gate, life, oracle, world, rare, isAlone: false, mutant: {} })
    const membership = leases.join(life)
    const { rowsAPartition, capRecords } = config.kafka
    const mutant = this.#mutant.kafka ?? {}
    const shared = { place, broker, gate, world, life, membership, relays, rowsAPartition, capRecords, mutant }
    return {
      databases: [{ store, membership, services: place.services }],
      adapters: adaptersOf({ outside, gate, life, rare }),
      handling: () => store.handling(),
      kafka: new KafkaNode(shared),
    }
  }

  /** Each database has tables of the platform under the same names: only those of services are looked at. */
  #committed(commit: Committed): void {
    const writes = commit.plan.writes.filter(({ table }) => table.schema !== 'lonja')
    this.listener.appended(commit)
    this.oracle.committed({ ...commit, plan: { ...commit.plan, writes } })
  }

  #mishaps(): Mishaps {
    const nodeOf = (life: NodeLife) => this.nodes.find((node) => node.life === life)
    const nothing = () => undefined
    return {
      crash: (life, forMs) => nodeOf(life)?.kill(forMs),
      crashAll: (forMs) => {
        this.rare.hit('all nodes down at once')
        for (const node of this.nodes) node.kill(forMs)
      },
      stop: (life, forMs) => {
        this.rare.hit('node stopped in good order')
        void nodeOf(life)?.stop(forMs)
      },
      stealLease: (life, salt) => this.#sites.forEach(({ leases }) => leases.steal(life, salt)),
      poison: nothing,
      deliverAgain: nothing,
      rebuild: nothing,
      kafka: {
        away: (forMs) => this.broker.away(forMs),
        refuse: (forMs, salt) => this.broker.refuse(forMs, salt),
        loseMarker: (salt) => this.broker.loseMarker(salt),
        loseTail: (salt) => {
          const lost = this.broker.loseTail(salt)
          if (lost !== undefined) this.#resender.lost(lost)
        },
        stealRelay: (life, salt) => this.#sites.forEach(({ relays }) => relays.steal(life, salt)),
      },
    }
  }

  /** Runs it to its end. */
  async run(): Promise<Outcome> {
    for (const { place } of this.#sites) {
      await place.home.database.reset()
      await place.begin()
    }
    this.oracle.begin(merged(this.#sites.map(({ place }) => place.home.database.beginning)))
    this.listener.begin()
    for (const node of this.nodes) node.start()
    const last = Math.max(0, ...this.config.commands.map(({ atMs }) => atMs))
    await this.#steps(WORLD_START + last + UNREST_MS)
    this.#heal()
    await this.#steps(this.world.now + REST_WITHIN_MS)
    await this.#comeToRest()
    if (this.failure === undefined) await this.#check()
    for (const node of this.nodes) node.kill(Number.POSITIVE_INFINITY)
    await drained()
    return this.#outcome()
  }

  async #steps(untilMs: number): Promise<void> {
    while (this.failure === undefined && this.world.steps < MAX_STEPS) {
      if (this.#isHealed && this.world.isAtRest) return
      if (!(await this.world.step(untilMs))) break
    }
  }

  /** Nothing but looks at the log and at Kafka is to come: they bring the rest over, and what that leads to. */
  async #comeToRest(): Promise<void> {
    const { world } = this
    const until = world.now + QUIET_WITHIN_MS
    while (this.failure === undefined && world.steps < MAX_STEPS) {
      if (world.isAtRest && (await this.#isQuiet())) return
      if (!(await world.step(until))) break
    }
    if (this.failure === undefined && world.isAtRest) return
    const open = [...world.open, ...this.#unread()].slice(0, SHOWN_OPEN).join(', ')
    this.failure ??= { check: 'no rest', message: `something still goes on: ${open}` }
  }

  async #isQuiet(): Promise<boolean> {
    for (const { place } of this.#sites) if (await place.isBehind()) return false
    return this.#unread().length === 0
  }

  #unread(): readonly string[] {
    const unread: string[] = []
    checkHeads({ oracle: this.oracle, fail: (_, message) => unread.push(message) })
    return unread
  }

  /** From here on nothing goes wrong any more, and a core of nodes has to bring everything to rest. */
  #heal(): void {
    const { world, plan, nodes, broker, config } = this
    world.note('healed')
    plan.end()
    broker.heal()
    for (const { life } of nodes) {
      life.awayUntil = 0
      if (life.paused) world.resume(life)
    }
    this.#isHealed = true
    for (const site of this.#sites) {
      const core = Math.min(config.core, site.nodes.length)
      site.nodes.forEach((node, index) => {
        if (index >= core) node.kill(Number.POSITIVE_INFINITY)
        else if (!node.life.alive) node.start()
        else if (config.kafka.isRestarted) node.kill(0)
      })
      this.#settleLater(site, core)
    }
  }

  /** When every node that will be there is open, the leases are shared out for good. */
  #settleLater(site: Site, core: number): void {
    const run = () => {
      if (!site.nodes.slice(0, core).every(({ isOpen }) => isOpen)) {
        this.#settleLater(site, core)
        return
      }
      site.leases.settle()
      site.relays.settle()
    }
    this.world.after(newLife('healer'), 'look whether all are back', { delayMs: 1000, run })
  }

  async #check(): Promise<void> {
    try {
      await checkAtRest(this)
      this.listener.checkAtRest()
      await countRareAtRest(this)
    } catch (error) {
      const { message, name } = error as Error
      this.fail(name === 'AssertionError' ? 'books' : 'the check itself', message)
    }
  }

  #outcome(): Outcome {
    const { config, failure, rare, world, plan, oracle } = this
    const { traceHash, trace, steps } = world
    const faultsHappened = plan.happened
    const { commits } = oracle
    return { config, failure, rare, traceHash, trace, faultsHappened, calls: plan.calls, steps, commits }
  }
}

/** Runs it on the two databases of this process. */
export async function runKafkaHistory(config: KafkaConfig, options: HistoryOptions): Promise<Outcome> {
  return new KafkaHistory(await openHomes(), config, options).run()
}
