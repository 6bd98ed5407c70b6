// A story of chaos: one shop on a fresh database, a seeded sequence of faults under load, rest, and the verdict.
import { waitFor } from '../../src/testing/wait-for.ts'
import { damage, type Damage } from './damage.ts'
import { faults, type FaultName } from './faults.ts'
import { noFigures, type Figures, type FiguresByFault } from './figures.ts'
import { Fleet, type Dialect } from './fleet.ts'
import { assertAllOnKafka, untilShipped } from './kafka-verdict.ts'
import { dice, Load } from './load.ts'
import { reckonMails, type Disturbance, type MailReckoning } from './mail-verdict.ts'
import { startInVain } from './process-faults.ts'
import type { Strike } from './scene.ts'
import { assertBooksSound, assertCheckClean, reckon, untilAtRest, untilEnded, type Loss } from './verdict.ts'

export interface StoryPlan {
  readonly dialect: Dialect
  readonly seed: number
  readonly cycles: number
  readonly faults: readonly FaultName[]
  /** One on SQLite; two on PostgreSQL unless told. */
  readonly processes?: number
  /** Each kind in turn, as given; else in an order of chance, each as often. */
  readonly inTurn?: boolean
  readonly hurriesLeases?: boolean
  /** Brokers of Kafka. */
  readonly nodes?: 1 | 3
  /** PostgreSQL on a disk that can be filled. */
  readonly onSmallDisk?: boolean
  /** Done before the verdict, which then has to find each. */
  readonly damages?: readonly Damage[]
  /** Broken off when it is aborted: nothing is judged then. */
  readonly signal?: AbortSignal
  /** No cycle begins after this, by `performance.now()`. */
  readonly untilMs?: number
  readonly told?: (cycle: number, fault: FaultName, load: Load) => void
}

export interface StoryReport {
  readonly figures: FiguresByFault
  readonly orders: number
  readonly refused: number
  readonly replays: number
  readonly unavailable: number
  readonly timeouts: number
  readonly mails: MailReckoning | undefined
  /** What was off; empty when every promise was kept. */
  readonly violations: readonly string[]
  /** Folders that were kept for whoever looks into a violation. */
  readonly leftBehind: string
}

const BUYERS = 32
/** Between two faults: the shop is in full swing when it is struck. */
const WARM_ORDERS = 15
/** Above the five seconds that an answer may wait for an order's end, and two more for a database that is gone. */
const PATIENCE_MS = 10_000
/** How long it took is counted; this only ends a story in which none comes any more. */
const NEXT_ORDER_WITHIN_MS = 60_000
const AT_REST_WITHIN_MS = 60_000

/** @throws when it is broken off, and what keeps the shop from being set up at all; never for a violation. */
export async function tellStory(plan: StoryPlan): Promise<StoryReport> {
  const load = new Load({ seed: plan.seed, buyers: BUYERS, patienceMs: PATIENCE_MS })
  const { dialect, processes = dialect === 'sqlite' ? 1 : 2, hurriesLeases = false, onSmallDisk = false } = plan
  const { nodes = 1 } = plan
  const fleet = await Fleet.open({ dialect, processes, load, hurriesLeases, onSmallDisk, nodes })
  const breakOff = (): void => load.breakOff(new BrokenOff('The run was broken off.'))
  plan.signal?.addEventListener('abort', breakOff)
  const story = new Story(plan, fleet, load)
  try {
    await story.tell()
  } catch (error) {
    if (plan.signal?.aborted === true) throw error
    story.violations.push(`${story.where}: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    plan.signal?.removeEventListener('abort', breakOff)
    await fleet.close(story.violations.length > 0)
    load.breakOff(new BrokenOff('The story is over.'))
    await load.finish().catch(() => undefined)
  }
  const { figures, mails, violations } = story
  const { acknowledged, refused, replays, unavailable, timeouts } = load
  const leftBehind = violations.length > 0 ? fleet.leftBehind : ''
  const counts = { orders: acknowledged.size, refused: refused.size, replays, unavailable, timeouts }
  return { figures, mails, violations, leftBehind, ...counts }
}

/** Nothing was off: somebody ended it. */
export class BrokenOff extends Error {
  override readonly name = 'BrokenOff'
}

class Story {
  readonly #plan: StoryPlan
  readonly #fleet: Fleet
  readonly #load: Load
  readonly #roll: () => number
  readonly #disturbances: Disturbance[] = []
  /** Orders that are known to have ended. */
  readonly #ended = new Set<string>()
  readonly figures: FiguresByFault = {}
  readonly violations: string[] = []
  mails: MailReckoning | undefined
  where = 'at the first start'

  constructor(plan: StoryPlan, fleet: Fleet, load: Load) {
    this.#plan = plan
    this.#fleet = fleet
    this.#load = load
    this.#roll = dice(plan.seed)
  }

  async tell(): Promise<void> {
    const { cycles, untilMs = Infinity, told } = this.#plan
    await this.#begin()
    for (let cycle = 0; cycle < cycles && performance.now() < untilMs; cycle += 1) {
      const name = this.#faultOf(cycle)
      this.where = `in cycle ${cycle + 1} (${name})`
      this.#load.during = name
      told?.(cycle, name, this.#load)
      await this.#cycle(name)
    }
    this.where = 'at rest'
    await this.#end()
  }

  async #begin(): Promise<void> {
    const { faults: names } = this.#plan
    // The tables of an empty database are being made when this one dies.
    if (names.includes('start')) {
      this.#figuresOf('start').kills += 1
      await startInVain({ fleet: this.#fleet, load: this.#load, roll: this.#roll }, 0)
    }
    await this.#fleet.start()
    await this.#load.prepare()
    this.#load.begin()
  }

  /** Of each block of cycles every kind has one. */
  #faultOf(cycle: number): FaultName {
    const { faults: names, inTurn = false, seed } = this.#plan
    const block = Math.floor(cycle / names.length)
    const order = inTurn ? names : shuffled(names, dice(seed + 1_000_003 * (block + 1)))
    return order[cycle % names.length] as FaultName
  }

  #figuresOf(name: FaultName): Figures {
    return (this.figures[name] ??= noFigures())
  }

  async #cycle(name: FaultName): Promise<void> {
    const load = this.#load
    const figures = this.#figuresOf(name)
    await load.more(WARM_ORDERS)
    const before = load.acknowledged.size
    const fromMs = performance.now()
    load.cutOrders = 0
    const strike = await faults[name].strike({ fleet: this.#fleet, load, roll: this.#roll })
    figures.inFlight.push(load.cutOrders)
    const told = [...load.acknowledged.values()].map(({ orderId }) => orderId)
    await this.#recovers(figures, strike, told)
    const { kills, stops = 0, openCommits, complaint } = strike
    figures.cycles += 1
    figures.orders += load.acknowledged.size - before
    figures.kills += kills
    figures.openCommits += openCommits
    this.#disturbances.push({ fromMs, toMs: performance.now(), ends: kills + stops })
    if (complaint !== undefined) this.violations.push(`${this.where}: ${complaint}`)
  }

  async #recovers(figures: Figures, { endedAtMs }: Strike, told: readonly string[]): Promise<void> {
    const load = this.#load
    const next = () => load.mustGoOn() && load.firstSince(endedAtMs)
    const nextAtMs = await waitFor(next, { withinMs: NEXT_ORDER_WITHIN_MS, what: 'an order after the fault' })
    figures.nextMs.push(nextAtMs - endedAtMs)
    await untilEnded(
      this.#fleet.store,
      told.filter((orderId) => !this.#ended.has(orderId)),
      () => load.mustGoOn(),
    )
    for (const orderId of told) this.#ended.add(orderId)
    figures.settledMs.push(performance.now() - endedAtMs)
  }

  /** Everything comes to rest, and every promise is looked at. */
  async #end(): Promise<void> {
    const { store, shops, stage, mails } = this.#fleet
    const load = this.#load
    await load.finish()
    await untilAtRest(store, AT_REST_WITHIN_MS)
    if (this.#fleet.listener !== undefined) await untilShipped(store)
    const codes = await Promise.all(shops.map((shop) => shop.stop()))
    if (codes.some((code) => code !== 0)) this.violations.push(`a stop in order ended with ${codes.join(', ')}`)
    for (const name of this.#plan.damages ?? []) await damage(this.#fleet, name)
    const { losses } = await reckon(store, load)
    for (const loss of losses) this.#count(loss)
    this.mails = await reckonMails(store, mails.arrived, this.#disturbances)
    this.violations.push(...this.mails.problems)
    const { listener } = this.#fleet
    const onKafka = () => (listener === undefined ? Promise.resolve() : assertAllOnKafka(store, listener))
    for (const judge of [() => assertBooksSound(store), () => assertCheckClean(stage, store), onKafka]) {
      await judge().catch((error: unknown) => this.violations.push((error as Error).message))
    }
  }

  #count({ what, key, message }: Loss): void {
    this.violations.push(`${what}: ${message}`)
    const name = (this.#load.acknowledged.get(key)?.during ?? this.#plan.faults[0]) as FaultName
    this.#figuresOf(name)[what === 'lost' || what === 'not as told' ? 'losses' : 'doubles'] += 1
  }
}

function shuffled<Item>(items: readonly Item[], roll: () => number): Item[] {
  return items
    .map((item) => ({ item, at: roll() }))
    .toSorted((one, other) => one.at - other.at)
    .map(({ item }) => item)
}
