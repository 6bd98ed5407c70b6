// Leases by the virtual clock: who works on which partition, as PostgreSQL's membership shares them out.
import type { Membership } from '../../src/platform/ports.ts'
import type { NodeLife } from './ports.ts'
import type { RareCounts } from './rare.ts'
import { PARTITION_COUNTS, SOURCES } from './wiring.ts'
import type { World } from './world.ts'

const LEASE_MS = 10_000
const BEAT_MS = 3000
/** How long an announcement is on its way. */
const ANNOUNCE_MS = 5

interface Member {
  readonly life: NodeLife
  /** What it believes that it holds. */
  readonly held: Set<string>
  heldUntil: number
  readonly changed: (() => void)[]
  readonly announced: ((sources: readonly string[] | 'all') => void)[]
  expiresAt: number
}

interface Lease {
  holder: Member | undefined
  until: number
  /** Rises with each holder. */
  epoch: number
}

function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, partition) => `${count}/${partition}`)
}

const LEASE_NAMES: readonly string[] = PARTITION_COUNTS.flatMap(namesOf)

const names = new Map<number, readonly string[]>()

/** Asked for each partition at each step. */
function leaseName(partitions: number, partition: number): string {
  let own = names.get(partitions)
  if (own === undefined) {
    own = namesOf(partitions)
    names.set(partitions, own)
  }
  return own[partition] ?? ''
}

export class Leases {
  readonly #world: World
  readonly #rare: RareCounts
  readonly #members = new Set<Member>()
  readonly #leases: Map<string, Lease>
  #isSettled = false

  /** @param names `count/partition` of each lease: those of all topics where not said */
  constructor(world: World, rare: RareCounts, names: readonly string[] = LEASE_NAMES) {
    this.#world = world
    this.#rare = rare
    this.#leases = new Map(names.map((name): [string, Lease] => [name, { holder: undefined, until: 0, epoch: 0 }]))
  }

  /** The epoch of a lease where the database says that it is this life's; undefined where it is another's. */
  epochOf(life: NodeLife, name: string): number | undefined {
    const lease = this.#leases.get(name)
    const isHeld = lease?.holder?.life === life && (this.#isSettled || lease.until > this.#world.now)
    return isHeld ? lease.epoch : undefined
  }

  /** Whoever holds the lease finds that it is under another epoch. */
  renewEpoch(name: string): void {
    const lease = this.#leases.get(name)
    if (lease !== undefined) lease.epoch += 1
  }

  /** The membership port of one node. */
  join(life: NodeLife): Membership {
    const member: Member = { life, held: new Set(), heldUntil: 0, changed: [], announced: [], expiresAt: 0 }
    return {
      start: async () => {
        this.#members.add(member)
        this.#beat(member)
      },
      share: async (partitions) => this.#declare(partitions),
      holds: (partitions, partition) =>
        this.#world.now < member.heldUntil && member.held.has(leaseName(partitions, partition)),
      onChange: (listener) => void member.changed.push(listener),
      announce: (sources) => this.#announce(member, sources),
      onAnnounced: (listener) => void member.announced.push(listener),
      members: async () => [],
      stop: async () => this.#leave(member),
    }
  }

  /** Whoever hears of a new count first makes its leases; all take their shares. */
  #declare(partitions: number): void {
    if (this.#leases.has(leaseName(partitions, 0))) return
    for (const name of namesOf(partitions)) this.#leases.set(name, { holder: undefined, until: 0, epoch: 0 })
    if (this.#isSettled) this.settle()
    else for (const member of this.#members) this.#renew(member)
  }

  #beat(member: Member): void {
    if (!this.#members.has(member) || this.#isSettled) return
    const { life } = member
    this.#world.after(life, 'beat', { delayMs: BEAT_MS, run: () => this.#beat(member), isBeat: true })
    this.#renew(member)
    for (const listener of member.announced) listener('all')
  }

  #renew(member: Member): void {
    const { now } = this.#world
    member.expiresAt = now + LEASE_MS
    member.heldUntil = now + LEASE_MS
    const before = [...member.held].join(' ')
    for (const [name, lease] of this.#leases) {
      if (lease.holder === member) lease.until = now + LEASE_MS
      else member.held.delete(name)
    }
    this.#share(member)
    if ([...member.held].join(' ') !== before) for (const listener of member.changed) listener()
  }

  /** Gives what is above an even share, and takes what is free up to it. */
  #share(member: Member): void {
    const { now } = this.#world
    const present = [...this.#members].filter((each) => each.life.alive && each.expiresAt > now)
    const share = Math.ceil(this.#leases.size / Math.max(1, present.length))
    const own = [...this.#leases].filter(([, { holder }]) => holder === member)
    for (const [name, lease] of own.slice(share)) {
      member.held.delete(name)
      lease.holder = undefined
    }
    let count = Math.min(own.length, share)
    for (const [name, lease] of this.#leases) {
      const isFree = lease.holder === undefined || lease.until <= now
      if (count >= share || !isFree || lease.holder === member) continue
      give(lease, member)
      lease.until = now + LEASE_MS
      member.held.add(name)
      count += 1
    }
  }

  #leave(member: Member): void {
    this.#members.delete(member)
    for (const lease of this.#leases.values()) if (lease.holder === member) lease.holder = undefined
  }

  #announce(from: Member, sources: readonly string[]): void {
    for (const { life, announced } of this.#members) {
      if (life === from.life || !life.alive) continue
      const run = () => {
        for (const listener of announced) listener(sources)
      }
      this.#world.after(life, 'announcement', { delayMs: ANNOUNCE_MS, run })
    }
  }

  /** Another node gets one of its partitions, and nobody tells it: both believe that they hold it. */
  steal(life: NodeLife, salt: number): void {
    const own = [...this.#leases].filter(([, { holder }]) => holder?.life === life)
    const others = [...this.#members].filter((each) => each.life !== life && each.life.alive)
    const [name, lease] = own[salt % Math.max(1, own.length)] ?? []
    const thief = others[salt % Math.max(1, others.length)]
    if (name === undefined || lease === undefined || thief === undefined) return
    this.#rare.hit('lease taken from a living node')
    give(lease, thief)
    thief.held.add(name)
    for (const listener of thief.changed) listener()
  }

  /** Who is there shares everything for good: nobody comes or goes any more. */
  settle(): void {
    this.#isSettled = true
    const alive = [...this.#members].filter(({ life }) => life.alive)
    for (const member of alive) {
      member.held.clear()
      member.heldUntil = Number.POSITIVE_INFINITY
    }
    for (const [index, [name, lease]] of [...this.#leases].entries()) {
      const member = alive[index % alive.length]
      if (member === undefined) continue
      if (lease.holder !== member) give(lease, member)
      member.held.add(name)
    }
    for (const { changed, announced } of alive) {
      for (const listener of changed) listener()
      for (const listener of announced) listener(SOURCES)
    }
  }
}

function give(lease: Lease, member: Member): void {
  lease.holder = member
  lease.epoch += 1
}
