// The gate through which a node calls its ports: here it is slowed down, crashed, paused, lied to.
import { CommitUnknown, Conflict, StoreUnavailable } from '../../src/platform/ports.ts'
import type { Fault, FaultPlan, PortKind } from './faults.ts'
import { describeFault } from './faults.ts'
import type { RareBranch, RareCounts } from './rare.ts'
import type { SeededRandom } from './random.ts'
import type { Life, World } from './world.ts'
import { never } from './world.ts'

/** One run of a node, from its start to its death. */
export interface NodeLife extends Life {
  /** Until then its store does not answer. */
  awayUntil: number
  /** Until then its reads of the log miss a row. */
  gapUntil: number
  /** How far its clock has been ahead at most. */
  mostAheadMs: number
  /** Since when it has been paused; undefined while it runs. */
  pausedAt: number | undefined
}

/** What can happen to nodes from outside of them. */
export interface Mishaps {
  crash(life: NodeLife, forMs: number): void
  crashAll(forMs: number): void
  stop(life: NodeLife, forMs: number): void
  stealLease(life: NodeLife, salt: number): void
  poison(fault: Fault): void
  deliverAgain(salt: number): void
  rebuild(life: NodeLife, salt: number): void
  /** Where databases talk over Kafka. */
  readonly kafka?: KafkaMishaps
}

/** What can happen to Kafka and to those who relay to it. */
export interface KafkaMishaps {
  away(forMs: number): void
  /** The next transaction that is committed misses the mark of its end in some partitions. */
  loseMarker(salt: number): void
  loseTail(salt: number): void
  refuse(forMs: number, salt: number): void
  stealRelay(life: NodeLife, salt: number): void
}

export interface Latency {
  /** How many of the calls take time at all. */
  readonly chance: number
  readonly mostMs: number
}

export interface GateOptions {
  readonly world: World
  readonly plan: FaultPlan
  readonly rare: RareCounts
  readonly random: SeededRandom
  readonly latency: Latency
  readonly mishaps: Mishaps
}

/** How many calls a node that rebuilds may have left. */
const CRASH_WITHIN_CALLS = 150
/** A pause beyond this outlasts a lease. */
const LEASE_MS = 10_000
const OUTSIDE: ReadonlySet<PortKind> = new Set(['gateway', 'carrier', 'mailer'])
const BROKER: ReadonlySet<PortKind> = new Set(['fence', 'send', 'end', 'fetch'])
/** A store that is away does not keep these from their answer. */
const ELSEWHERE: ReadonlySet<PortKind> = new Set([...OUTSIDE, ...BROKER])

export class Gate {
  readonly #options: GateOptions

  constructor(options: GateOptions) {
    this.#options = options
  }

  /** Makes a call, or what has become of it. */
  call<Result>(life: NodeLife, kind: PortKind, work: () => Promise<Result>): Promise<Result> {
    if (!life.alive) return never()
    const { plan, world, random, latency } = this.#options
    const fault = plan.at(kind)
    const isSlow = latency.chance > 0 && random.fraction() < latency.chance
    // Almost every call: nothing can happen to the node before the store has answered, so nothing is looked at again.
    if (fault === undefined && !isSlow && world.now >= life.awayUntil && !OUTSIDE.has(kind)) return work()
    return this.#eventful(life, { kind, work }, { fault, isSlow })
  }

  async #eventful<Result>(life: NodeLife, { kind, work }: Call<Result>, { fault, isSlow }: Event): Promise<Result> {
    const { world, random, latency } = this.#options
    if (fault !== undefined) world.note(`${life.name} at ${kind}: ${describeFault(fault)}`)
    if (isSlow) await world.wait(life, kind, random.below(latency.mostMs))
    if (world.now < life.awayUntil && !ELSEWHERE.has(kind)) throw new StoreUnavailable('The simulated store is away.')
    const result = fault === undefined ? await work() : await this.#faulty(life, fault, { kind, work })
    if (!life.alive) return never()
    if (isSlow && random.chance(0.5)) await world.wait(life, `${kind} answered`, random.below(latency.mostMs))
    return result
  }

  #faulty<Result>(life: NodeLife, fault: Fault, call: Call<Result>): Promise<Result> {
    if (KAFKA_FAULTS.has(fault.kind)) return this.#kafka(life, fault, call)
    if (fault.kind.startsWith('commit') || fault.kind === 'conflict' || fault.kind === 'unavailable')
      return this.#refused(fault, call)
    if (fault.kind.startsWith('crash') || fault.kind === 'power cut') return this.#crashed(life, fault, call)
    if (fault.kind.startsWith('answer') || fault.kind === 'call doubled') return this.#garbled(life, fault, call)
    if (fault.kind.startsWith('pause')) return this.#paused(life, fault, call)
    return this.#beside(life, fault, call)
  }

  /** The caller hears of a failure, whether or not it is true. */
  async #refused<Result>({ kind: name }: Fault, { kind, work }: Call<Result>): Promise<Result> {
    const { rare } = this.#options
    if (name === 'conflict') {
      rare.hit('conflict out of the blue')
      throw new Conflict('a simulated conflict')
    }
    if (name === 'unavailable') {
      rare.hit('store away')
      throw ELSEWHERE.has(kind)
        ? new Error('The outside can not be reached.')
        : new StoreUnavailable('gone for a moment')
    }
    if (name === 'commit lost after') {
      await work()
      rare.hit('commit lost but happened')
    } else rare.hit('commit lost and never happened')
    throw new CommitUnknown('the answer was lost')
  }

  async #crashed<Result>(life: NodeLife, { kind: name, forMs, salt }: Fault, call: Call<Result>): Promise<Result> {
    const { rare, mishaps } = this.#options
    const isAfter = name.startsWith('crash after') || (name === 'power cut' && salt % 2 === 0)
    // What was sent to the outside goes on there.
    if (isAfter || name === 'crash at call') await call.work().catch(() => undefined)
    if (RELAYING.has(call.kind))
      rare.hit(isAfter ? 'crash after a call of the relay' : 'crash before a call of the relay')
    else if (call.kind === 'commit') rare.hit(isAfter ? 'crash after a commit' : 'crash before a commit')
    else rare.hit(OUTSIDE.has(call.kind) ? 'crash at a call to the outside' : 'crash at a read')
    if (name === 'power cut') mishaps.crashAll(forMs)
    else mishaps.crash(life, forMs)
    return never()
  }

  async #garbled<Result>(life: NodeLife, { kind, forMs }: Fault, { work }: Call<Result>): Promise<Result> {
    const { rare, world } = this.#options
    if (kind === 'call doubled') {
      rare.hit('gateway called twice at once')
      void work().catch(() => undefined)
      return work()
    }
    const result = await work()
    if (kind === 'answer late') {
      rare.hit('gateway answered late')
      await world.wait(life, 'late answer', forMs)
      return result
    }
    rare.hit('gateway answer lost')
    throw new Error('The answer was lost on its way.')
  }

  /** The relay hears nothing, or something that is not true; or the broker itself is not what it was. */
  async #kafka<Result>(life: NodeLife, { kind, forMs, salt }: Fault, { work }: Call<Result>): Promise<Result> {
    const { rare, mishaps } = this.#options
    if (kind === 'broker away') mishaps.kafka?.away(forMs)
    if (kind === 'topic refused') mishaps.kafka?.refuse(forMs, salt)
    if (kind === 'relay theft') mishaps.kafka?.stealRelay(life, salt)
    if (kind === 'tail lost') mishaps.kafka?.loseTail(salt)
    if (kind === 'marker lost') mishaps.kafka?.loseMarker(salt)
    // The broker answers before the marks are written.
    const isAnswered = kind === 'marker lost' && salt % 2 === 0
    if (isAnswered) return work()
    if (LOST_AFTER[kind] !== undefined) {
      await work()
      rare.hit(LOST_AFTER[kind])
    } else if (kind !== 'send refused' && kind !== 'mark lost before') return work()
    throw kind.startsWith('mark') ? new CommitUnknown('the answer was lost') : new Error('the broker hung up')
  }

  /** The process stands still, before or after the call, and goes on without having noticed. */
  async #paused<Result>(life: NodeLife, fault: Fault, { kind, work }: Call<Result>): Promise<Result> {
    const isAfter = fault.kind === 'pause' && fault.salt % 2 === 0
    const result = isAfter ? await work() : undefined
    await this.#standStill(life, fault.forMs)
    if (result !== undefined) return result
    if (kind !== 'commit' || fault.forMs < LEASE_MS) return work()
    try {
      return await work()
    } catch (error) {
      if (error instanceof Conflict) this.#options.rare.hit('zombie fenced')
      throw error
    }
  }

  async #standStill(life: NodeLife, forMs: number): Promise<void> {
    const { world, rare } = this.#options
    if (life.paused) return
    if (forMs > LEASE_MS) rare.hit('node paused past its lease')
    life.paused = true
    world.after({ ...life, paused: false, held: [] }, 'resume', { delayMs: forMs, run: () => world.resume(life) })
    await world.wait(life, 'paused', 0)
  }

  /** The call itself goes well. */
  async #beside<Result>(life: NodeLife, fault: Fault, { work }: Call<Result>): Promise<Result> {
    const { rare, mishaps, world, plan } = this.#options
    const { kind, forMs, salt } = fault
    if (kind === 'outage') {
      rare.hit('store away')
      life.awayUntil = world.now + forMs
      throw new StoreUnavailable('The simulated store went away.')
    }
    if (kind === 'stop') mishaps.stop(life, forMs)
    if (kind === 'theft') mishaps.stealLease(life, salt)
    if (kind === 'poison') mishaps.poison(fault)
    if (kind === 'replay') mishaps.deliverAgain(salt)
    if (kind === 'rebuild') {
      mishaps.rebuild(life, salt)
      // Some do not live to see its end.
      if (salt % 2 === 0) plan.soon({ ...fault, kind: 'crash before' }, CRASH_WITHIN_CALLS)
    }
    if (kind === 'gap') life.gapUntil = world.now + forMs
    if (kind === 'jump') {
      const isForward = salt % 3 > 0
      rare.hit(isForward ? 'clock went forward' : 'clock went back')
      // Further ahead it would look for other nodes' timers ten times a second, for minutes.
      life.skewMs += Math.min(forMs, isForward ? 2 * LEASE_MS : LEASE_MS) * (isForward ? 1 : -1)
      life.mostAheadMs = Math.max(life.mostAheadMs, life.skewMs)
    }
    return work()
  }
}

const KAFKA_FAULTS: ReadonlySet<string> = new Set([
  'send refused',
  'send lost after',
  'mark lost before',
  'mark lost after',
  'marker lost',
  'broker away',
  'topic refused',
  'tail lost',
  'relay theft',
])
/** It happened, and who asked for it does not hear of it. */
const LOST_AFTER: Readonly<Record<string, RareBranch>> = {
  'send lost after': 'send lost but happened',
  'mark lost after': 'mark lost but happened',
  'marker lost': 'broker died while it ended a transaction',
}
const RELAYING: ReadonlySet<PortKind> = new Set(['relay read', 'relay mark', 'fence', 'send', 'end'])

interface Event {
  readonly fault: Fault | undefined
  readonly isSlow: boolean
}

interface Call<Result> {
  readonly kind: PortKind
  readonly work: () => Promise<Result>
}
