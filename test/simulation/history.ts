// One history: nodes start, callers call, things go wrong; then they go right again, and everything must come to rest.
import type { HistoryConfig } from './config.ts'
import type { Database } from './database.ts'
import { FaultPlan } from './faults.ts'
import { Callers } from './callers.ts'
import { Leases } from './leases.ts'
import type { Store } from '../../src/platform/ports.ts'
import type { Observer } from '../../src/platform/runtime/observer.ts'
import { membershipAlone } from '../../src/platform/store/membership-alone.ts'
import { services as shippedServices } from '../../src/services.ts'
import type { Mutant } from './mutant.ts'
import { SimulatedNode } from './node.ts'
import type { NodePorts } from './node.ts'
import { nodeStore } from './node-store.ts'
import { GIVE_UP_RATE, Operator } from './operator.ts'
import { Oracle } from './oracle.ts'
import type { HistoryOptions, Outcome } from './outcome.ts'
import { MAX_STEPS, REST_WITHIN_MS, UNREST_MS } from './outcome.ts'
import type { Outside } from './outside.ts'
import { adaptersOf, openOutside } from './outside.ts'
import type { Mishaps, NodeLife } from './ports.ts'
import { Gate } from './ports.ts'
import { Poison } from './poison.ts'
import { RareCounts } from './rare.ts'
import { SeededRandom } from './random.ts'
import { Scaler } from './scaler.ts'
import { countRareAtRest } from './rare-at-rest.ts'
import { checkAtRest } from './at-rest.ts'
import { deliverAgain } from './transport.ts'
import { SERVICE_NAMES } from './wiring.ts'
import { World, WORLD_START, drained, newLife } from './world.ts'

/** So much of what still goes on is named. */
const SHOWN_OPEN = 5

export class History {
  readonly config: HistoryConfig
  readonly world: World
  readonly rare = new RareCounts()
  readonly oracle: Oracle
  readonly plan: FaultPlan
  readonly outside: Outside
  readonly nodes: readonly SimulatedNode[]
  readonly callers: Callers
  readonly operator: Operator
  readonly database: Database
  readonly poison: Poison
  readonly mutant: Mutant
  failure: { readonly check: string; readonly message: string } | undefined
  readonly #scaler: Scaler
  readonly #leases: Leases
  readonly #gate: Gate
  readonly #isDirect: boolean
  #isHealed = false

  constructor(database: Database, config: HistoryConfig, options: HistoryOptions) {
    const { mutant, traces = false, isDirect = config.strict } = options
    const { seed, orderliness, commands, latency, mailFailureRate } = config
    const random = (name: string) => new SeededRandom(seed, name)
    this.config = config
    this.#isDirect = isDirect
    this.database = database
    this.mutant = mutant ?? { name: 'none' }
    this.world = new World(seed, { orderliness, traces })
    const { world, rare } = this
    this.oracle = new Oracle(this.fail, rare)
    this.plan = new FaultPlan(config.faults)
    this.poison = new Poison(world, rare)
    if (config.isUndoneFirst) this.poison.killPayments()
    this.#leases = new Leases(world, rare)
    const { plan } = this
    this.#gate = new Gate({ world, plan, rare, random: random('latency'), latency, mishaps: this.#mishaps() })
    this.outside = openOutside({ world, rare, random: random('outside'), mailFailureRate })
    const services = this.mutant.services?.(shippedServices) ?? shippedServices
    this.nodes = Array.from({ length: config.nodes }, (_, index) => {
      const name = `node-${index + 1}`
      return new SimulatedNode({
        name,
        world,
        random: random(name),
        services,
        portsOf: (life) => this.#portsOf(life),
        taste: this.poison.taste,
        rare,
        observer: this.#observerOf(name),
        weaken: this.mutant.weaken,
        strict: config.strict,
      })
    })
    const { oracle, nodes, fail } = this
    this.oracle.capturing = this.outside.capturing
    const giveUpRate = config.isUndoneFirst ? 1 : GIVE_UP_RATE
    this.operator = new Operator({ world, oracle, nodes, rare, giveUpRate, random: random('operator') })
    this.#scaler = new Scaler({ world, nodes, rare, scalings: config.scalings, random: random('scaler') })
    this.callers = new Callers({ world, oracle, nodes, rare, fail, commands, random: random('callers') })
  }

  storeOf = (_service: string): Store => this.database.store

  /** Notes the first promise that is broken; the history ends there. */
  fail = (check: string, message: string): void => {
    this.failure ??= { check, message }
    this.world.note(`BROKEN ${check}: ${message}`)
  }

  /** What a node tells goes into the trace. */
  #observerOf(name: string): Partial<Observer> {
    const { world, rare } = this
    return {
      committed: () => {
        this.callers.lookAgain()
        this.operator.look()
        this.#scaler.look()
      },
      conflicted: (reason) => {
        if (reason.includes('another generation')) rare.hit('batch of an older generation')
        world.note(`${name} conflicts: ${reason}`)
      },
      fault: ({ group, position, type }, error) => {
        world.note(`${name} fault of ${group} at ${position}, ${type}: ${(error as Error).message}`)
      },
      parked: ({ group, key, code }) => {
        rare.hit('parked')
        world.note(`${name} parks ${key} of ${group}: ${code}`)
      },
      unparked: ({ group, key }) => {
        rare.hit('unparked')
        world.note(`${name} unparks ${key} of ${group}`)
      },
      dead: ({ group, key, code }) => {
        rare.hit('message died')
        world.note(`${name} buries a message of ${key} of ${group}: ${code}`)
      },
      breakerOpened: ({ group, type }) => {
        rare.hit('breaker opened')
        world.note(`${name} pauses ${type} of ${group}`)
      },
      alarm: ({ group }, message) => world.note(`${name} alarm of ${group.name}: ${message}`),
      storeDown: ({ message }) => world.note(`${name} store down: ${message}`),
      storeUp: () => world.note(`${name} store up`),
    }
  }

  #portsOf(life: NodeLife): NodePorts {
    const { world, rare, oracle, database, outside, mutant } = this
    const gate = this.#gate
    const isAlone = this.config.nodes === 1
    const store = nodeStore({
      base: database.store,
      gate,
      life,
      oracle,
      world,
      rare,
      isAlone,
      mutant: mutant.store ?? {},
    })
    const membership = isAlone ? membershipAlone() : this.#leases.join(life)
    const adapters = adaptersOf({ outside, gate, life, rare })
    return {
      databases: [{ store, membership, services: SERVICE_NAMES }],
      adapters: mutant.adapters?.(adapters) ?? adapters,
      handling: () => store.handling(),
    }
  }

  #mishaps(): Mishaps {
    const nodeOf = (life: NodeLife) => this.nodes.find((node) => node.life === life)
    return {
      crash: (life, forMs) => {
        this.oracle.crashed()
        nodeOf(life)?.kill(forMs)
      },
      crashAll: (forMs) => {
        this.rare.hit('all nodes down at once')
        this.oracle.crashed()
        for (const node of this.nodes) node.kill(forMs)
      },
      stop: (life, forMs) => {
        this.rare.hit('node stopped in good order')
        void nodeOf(life)?.stop(forMs)
      },
      stealLease: (life, salt) => this.#leases.steal(life, salt),
      poison: (fault) => this.poison.add(fault),
      deliverAgain: (salt) => {
        const { oracle, rare, world } = this
        void deliverAgain({ store: this.database.store, oracle, rare, world }, salt)
      },
      rebuild: (life, salt) => {
        const names = nodeOf(life)?.lonja?.rebuilds
        const name = names?.names[salt % (names.names.length || 1)]
        if (name !== undefined)
          void names?.start(name).then(
            () => this.rare.hit('projection rebuilt'),
            () => undefined,
          )
      },
    }
  }

  /** Runs it to its end. */
  async run(): Promise<Outcome> {
    await this.database.reset(this.#isDirect)
    this.oracle.begin(this.database.beginning)
    for (const node of this.nodes) node.start()
    this.#scaler.begin()
    const last = Math.max(0, ...this.config.commands.map(({ atMs }) => atMs))
    await this.#steps(WORLD_START + last + UNREST_MS)
    this.#heal()
    const restBy = this.world.now + REST_WITHIN_MS
    await this.#steps(restBy)
    if (this.failure === undefined && !this.world.isAtRest) {
      const why =
        this.world.steps >= MAX_STEPS ? `after ${MAX_STEPS} steps` : `${REST_WITHIN_MS} ms after the last fault`
      this.fail('no rest', `something still goes on ${why}: ${this.world.open.slice(0, SHOWN_OPEN).join(', ')}`)
    }
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

  /** From here on nothing goes wrong any more, and a core of nodes has to bring everything to rest. */
  #heal(): void {
    const { world, plan, poison, nodes } = this
    world.note('healed')
    plan.end()
    poison.end()
    for (const { life } of nodes) {
      life.awayUntil = 0
      life.gapUntil = 0
      if (life.paused) world.resume(life)
    }
    this.#isHealed = true
    this.#leaveCore()
    this.#settleLater()
  }

  /** Whoever of the core is down starts at once; the others are gone for good. */
  #leaveCore(): void {
    this.nodes.forEach((node, index) => {
      if (index >= this.config.core) node.kill(Number.POSITIVE_INFINITY)
      else if (!node.life.alive) node.start()
      node.life.skewMs = 0
    })
  }

  /** When every node that will be there is open, the partitions are shared out for good. */
  #settleLater(): void {
    const { world, nodes } = this
    world.after(newLife('healer'), 'look whether all are back', {
      delayMs: 1000,
      run: () => {
        const isBack = nodes.slice(0, this.config.core).every(({ isOpen }) => isOpen)
        if (isBack) this.#leases.settle()
        else this.#settleLater()
      },
    })
  }

  async #check(): Promise<void> {
    try {
      await checkAtRest(this)
      await countRareAtRest(this)
    } catch (error) {
      const { message, name } = error as Error
      this.fail(name === 'AssertionError' ? 'books' : 'the check itself', message)
    }
  }

  #outcome(): Outcome {
    const { config, failure, rare, world, plan, oracle } = this
    return {
      config,
      failure,
      rare,
      traceHash: world.traceHash,
      trace: world.trace,
      faultsHappened: plan.happened,
      calls: plan.calls,
      steps: world.steps,
      commits: oracle.commits,
    }
  }
}
