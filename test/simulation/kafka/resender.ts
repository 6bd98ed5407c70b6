// Who looks after lost records: he hears of a gap, or finds it, and has the relay ship again from there on.
import type { Oracle } from '../oracle.ts'
import type { Leases } from '../leases.ts'
import type { RareCounts } from '../rare.ts'
import type { SeededRandom } from '../random.ts'
import { GROUP_TOPICS, registry } from '../wiring.ts'
import type { World } from '../world.ts'
import { newLife } from '../world.ts'
import { RELAY_LEASE } from './kafka-node.ts'
import type { KafkaPlace } from './place.ts'

/** Somebody has to wake up first. */
const LATEST_MS = 60_000
const LOOKS_AGAIN_MS = 30_000

export interface ResenderOptions {
  readonly world: World
  readonly rare: RareCounts
  readonly oracle: Oracle
  readonly random: SeededRandom
  readonly sites: readonly { readonly place: KafkaPlace; readonly relays: Leases }[]
}

interface LogPlace {
  readonly source: string
  readonly topic: string
  readonly partition: number
}

export class Resender {
  readonly #options: ResenderOptions
  readonly #life = newLife('resender')
  readonly #expected = new Set<string>()

  constructor(options: ResenderOptions) {
    this.#options = options
  }

  /** A group has told that a record is missing. */
  alarmed({ source, topic, partition }: LogPlace): void {
    const name = `${source}/${topic}/${partition}`
    if (this.#expected.has(name)) return
    this.#expected.add(name)
    const { world, random } = this.#options
    const run = () => {
      this.#expected.delete(name)
      this.#resend({ source, topic, partition })
    }
    world.after(this.#life, `looks at ${name}`, { delayMs: random.below(LATEST_MS), run })
  }

  /** Where nothing follows what is lost no group notices, but it stays behind its source. */
  lost({ topic, partition }: Omit<LogPlace, 'source'>): void {
    const run = () => {
      for (const source of registry.sourcesOf(topic)) this.#resend({ source, topic, partition })
    }
    this.#options.world.after(this.#life, `looks whether all read ${topic}`, { delayMs: LOOKS_AGAIN_MS, run })
  }

  /** From the first number that a group elsewhere has not read, though it was shipped. */
  #resend({ source, topic, partition }: LogPlace): void {
    const { sites, oracle, rare, world } = this.#options
    const site = sites.find(({ place }) => place.services.includes(source))
    if (site === undefined) return
    const { place, relays } = site
    const mark = place.markOf(source, topic, partition)
    const elsewhere = registry.groups.filter(({ name, service }) => {
      return !place.services.includes(service) && GROUP_TOPICS.get(name)?.has(topic) === true
    })
    const nexts = elsewhere.map(({ name }) => oracle.cursors.get(`${name} ${source}/${topic}/${partition}`) ?? 0)
    const next = Math.min(mark.next, ...nexts)
    if (next === mark.next) return
    rare.hit('mark set back')
    world.note(`${source}/${topic}/${partition} is shipped again from ${next} on`)
    relays.renewEpoch(RELAY_LEASE)
    place.mark({ ...mark, next })
  }
}
