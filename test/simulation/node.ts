// A logical node: the shipped application on simulated ports, started, killed and started again.
import type { Context } from '../../src/kernel/handler.ts'
import type { Service } from '../../src/kernel/service.ts'
import type { Database } from '../../src/platform/runtime/lonja.ts'
import { Lonja } from '../../src/platform/runtime/lonja.ts'
import type { LonjaOptions } from '../../src/platform/runtime/lonja.ts'
import type { Observer } from '../../src/platform/runtime/observer.ts'
import { silentObserver } from '../../src/platform/runtime/observer.ts'
import { REHEARSAL } from '../../src/platform/runtime/record-handler.ts'
import type { Reaction, Registry } from '../../src/platform/runtime/registry.ts'
import type { Handled } from './oracle.ts'
import type { Poison } from './poison.ts'
import { ANSWER, answersOf } from './poison.ts'
import type { NodeLife } from './ports.ts'
import type { RareCounts } from './rare.ts'
import type { SeededRandom } from './random.ts'
import { SERVICE_NAMES } from './wiring.ts'
import type { World } from './world.ts'
import { newLife } from './world.ts'

/** A node that can't start tries again after this long, as whatever watches it would have it. */
const START_AGAIN_MS = 1000

/** What one run of a node is given. */
export interface NodePorts {
  readonly databases: readonly Database[]
  readonly adapters: Readonly<Record<string, unknown>>
  /** Where handlers note what they ran for. */
  readonly handling: (service: string) => Handled[]
  /** What is in other databases comes over it; undefined where this process has all of them. */
  readonly kafka?: NodeKafka | undefined
}

/** What a process does with Kafka. */
export interface NodeKafka extends NonNullable<LonjaOptions['relays']> {
  readonly logOf: NonNullable<LonjaOptions['logOf']>
  start(lonja: Lonja): Promise<void>
  stop(): Promise<void>
}

export interface NodeOptions {
  readonly name: string
  readonly world: World
  readonly random: SeededRandom
  readonly services: readonly Service[]
  /** The names of those that run here: all where not said. */
  readonly chosen?: readonly string[]
  readonly portsOf: (life: NodeLife) => NodePorts
  /** @throws where a message is poisoned. */
  readonly taste: Poison['taste']
  readonly rare: RareCounts
  readonly observer?: Partial<Observer>
  /** Takes away safeguards of the wired services. */
  readonly weaken?: ((registry: Registry) => void) | undefined
  readonly strict: boolean
}

export class SimulatedNode {
  readonly name: string
  lonja: Lonja | undefined
  life: NodeLife
  /** Whether it has started and takes commands. */
  isOpen = false
  readonly #options: NodeOptions
  #kafka: NodeKafka | undefined
  #runs = 0
  #isGone = false

  constructor(options: NodeOptions) {
    this.#options = options
    this.name = options.name
    this.life = this.#newLife()
  }

  /** Whether the routes of the service are answered here. */
  hosts(service: string): boolean {
    return this.#options.chosen?.includes(service) ?? true
  }

  #newLife(): NodeLife {
    this.#runs += 1
    return { ...newLife(`${this.name}.${this.#runs}`), awayUntil: 0, gapUntil: 0, mostAheadMs: 0, pausedAt: undefined }
  }

  /** Starts it on what is committed. */
  start(): void {
    const { services, chosen = SERVICE_NAMES, portsOf, world, random, observer, weaken, strict } = this.#options
    const { skewMs } = this.life
    this.life = { ...this.#newLife(), skewMs, mostAheadMs: Math.max(0, skewMs) }
    const { life } = this
    const { databases, adapters, handling, kafka } = portsOf(life)
    this.#kafka = kafka
    const lonja = new Lonja({
      ...(kafka && { relays: kafka, logOf: kafka.logOf }),
      services,
      chosen,
      databases,
      works: true,
      adapters,
      clock: world.clockOf(life),
      random,
      observer: { ...silentObserver, ...observer },
      strict,
    })
    weaken?.(lonja.registry)
    this.#instrument(lonja.registry, handling)
    this.lonja = lonja
    const started = kafka === undefined ? lonja.start() : lonja.start().then(() => kafka.start(lonja))
    started.then(
      () => (this.isOpen = life === this.life && life.alive),
      () => this.kill(START_AGAIN_MS),
    )
  }

  /** Ends it at once; what it was doing never goes on. */
  kill(againAfterMs: number): void {
    const { world } = this.#options
    const { life } = this
    if (againAfterMs === Number.POSITIVE_INFINITY) this.#isGone = true
    if (!life.alive) return
    world.note(`${life.name} dies`)
    world.bury(life)
    this.isOpen = false
    this.#startLater(againAfterMs)
  }

  /** Ends it in good order. */
  async stop(againAfterMs: number): Promise<void> {
    const { lonja, life } = this
    if (lonja === undefined || !life.alive) return
    this.isOpen = false
    await lonja.stop()
    await this.#kafka?.stop()
    if (life !== this.life || !life.alive) return
    this.#options.world.bury(life)
    this.#startLater(againAfterMs)
  }

  #startLater(delayMs: number): void {
    if (this.#isGone) return
    const { world } = this.#options
    const { life } = this
    world.after(newLife(`keeper of ${this.name}`), 'start', {
      delayMs,
      run: () => {
        if (life === this.life && !this.#isGone) this.start()
      },
    })
  }

  /** Adds a probe after the handlers of each message, and poison before them. */
  #instrument({ groups, messages, answers, sagaTimers }: Registry, handling: (service: string) => Handled[]): void {
    const { taste, rare } = this.#options
    for (const [effect, own] of answers) {
      const handle = (...[data, held, context]: Parameters<Reaction['handle']>) => {
        taste(answersOf(effect), ANSWER, JSON.stringify((data as { readonly request: unknown }).request))
        return own.handle(data, held, context)
      }
      ;(answers as Map<string, Reaction>).set(effect, { ...own, handle })
    }
    for (const [name, own] of sagaTimers) {
      const handle = (...given: Parameters<Reaction['handle']>) => {
        const outcomes = own.handle(...given)
        if (outcomes.length === 0) rare.hit('timer void')
        return outcomes
      }
      ;(sagaTimers as Map<string, Reaction>).set(name, { ...own, handle })
    }
    for (const { name: group, service, reactions } of groups) {
      for (const [type, own] of reactions) {
        const field = messages.get(type)?.key ?? ''
        const keyOf = (data: unknown) => String((data as Readonly<Record<string, unknown>>)[field])
        const guarded = own.map((reaction) => ({
          ...reaction,
          handle: (...[data, held, context]: Parameters<typeof reaction.handle>) => {
            taste(group, type, keyOf(data))
            return reaction.handle(data, held, context)
          },
        }))
        const probe = {
          service,
          name: 'probe',
          loads: () => [],
          handle: (data: unknown, _: unknown, { principal }: Context) => {
            // Nothing comes of a rehearsal.
            if (principal !== REHEARSAL) handling(service).push({ group, type, key: keyOf(data) })
            return []
          },
        }
        ;(reactions as Map<string, typeof own>).set(type, [...guarded, probe])
      }
    }
  }
}
