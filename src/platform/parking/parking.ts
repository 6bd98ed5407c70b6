// What this process knows of the parked keys of its database; the truth is in the database, and this follows it.
import type { Clock, Random, Row, Store } from '../ports.ts'
import { PLATFORM_SCHEMA } from '../store/tables.ts'
import type { Group, Registry } from '../runtime/registry.ts'
import type { Breakers } from './breakers.ts'
import type { KeyName, ParkedKey, StoredKey } from './parked-key.ts'
import { parkedKeyOf } from './parked-key.ts'
import type { GroupPolicy } from './policy.ts'
import { policyOf } from './policy.ts'

/** What is announced to other processes when a person changed what is parked. No service has this name. */
export const PARKING_NEWS = '#parking'
/** Heads that one batch retries: more would make the healthy keys of the batch wait. */
const MAX_RETRIES = 32

export interface ParkingOptions {
  readonly registry: Registry
  readonly store: Store
  /** The services whose parked keys lie in this database. */
  readonly hosted: readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly breakers: Breakers
  /** Whether this process works on the partition. */
  readonly holds: (partitions: number, partition: number) => boolean
  /** Whether a person has paused the group in this partition: its keys wait as long. */
  readonly isPaused?: (group: string, partition: number) => boolean
  /** Whether copies of what is parked or dead are to go to Kafka. */
  readonly mirrors?: boolean
}

/** What is parked in one group. */
interface GroupKeys {
  /** By the name of the key's field, then by key. */
  readonly byField: Map<string, Map<string, ParkedKey>>
  keys: number
  messages: number
}

export interface ParkedCounts {
  readonly keys: number
  readonly held: number
  readonly messages: number
}

export class Parking {
  readonly breakers: Breakers
  readonly clock: Clock
  readonly random: Random
  readonly registry: Registry
  readonly mirrors: boolean
  /** Every lot that a parked key of this database can lie in. */
  readonly lots: readonly Row[]
  /** When the next head may be tried; infinity when nothing waits for it. */
  next = Number.POSITIVE_INFINITY
  /** Keys that go on by themselves, unless a person paused their group. */
  retrying = 0
  isStale = false
  readonly #options: ParkingOptions
  readonly #groups = new Map<string, GroupKeys>()
  readonly #lotVersions = new Map<string, number>()
  readonly #policies = new Map<string, GroupPolicy>()
  /** Heads whose handler is paused, and until when they are left alone. */
  #deferred = new WeakMap<ParkedKey, number>()

  constructor(options: ParkingOptions) {
    const { registry, hosted, breakers, clock, random } = options
    this.#options = options
    this.breakers = breakers
    this.clock = clock
    this.random = random
    this.registry = registry
    this.mirrors = options.mirrors === true
    const counts = registry.schemas.flatMap(({ topics }) => topics.map(({ partitions }) => partitions))
    this.lots = lotsOf(new Set(counts), hosted)
    for (const group of registry.groups) {
      const service = registry.services.find(({ name }) => name === group.service)
      if (service !== undefined) this.#policies.set(group.name, policyOf(group, service))
    }
  }

  /** Whether nothing is parked at all: the healthy road looks no further. */
  get isEmpty(): boolean {
    return this.#groups.size === 0
  }

  policyOf({ name }: Group): GroupPolicy {
    const policy = this.#policies.get(name)
    if (policy === undefined) throw new Error(`No service declares the group ${name}.`)
    return policy
  }

  find({ group, keyName, key }: KeyName): ParkedKey | undefined {
    return this.#groups.get(group)?.byField.get(keyName)?.get(key)
  }

  lotVersion(lot: string): number {
    return this.#lotVersions.get(lot) ?? 0
  }

  counts(group: string): ParkedCounts {
    const { keys = 0, messages = 0 } = this.#groups.get(group) ?? {}
    const held = this.#all(group).filter(({ state }) => state === 'held').length
    return { keys, held, messages }
  }

  /** How many keys and messages of a group are parked: asked for each record that joins. */
  load(group: string): { readonly keys: number; readonly messages: number } {
    return this.#groups.get(group) ?? { keys: 0, messages: 0 }
  }

  /** The groups in which something is parked. */
  get groups(): readonly string[] {
    return [...this.#groups.keys()]
  }

  /** Whether a key goes on by itself; one of a paused group waits for the person who resumes it. */
  get isTrying(): boolean {
    if (this.retrying === 0) return false
    const { isPaused } = this.#options
    const goesOn = ({ state, group, partition }: ParkedKey) =>
      state === 'retrying' && isPaused?.(group, partition) !== true
    return this.groups.some((group) => this.#all(group).some(goesOn))
  }

  /** Somebody else changed what is parked: it is read again before anything is retried. */
  forget(): void {
    this.isStale = true
    this.next = 0
  }

  /** Reads afresh whatever may have changed since; one statement where nothing was ever parked. */
  async recall(): Promise<void> {
    const { store } = this.#options
    this.isStale = false
    const rows = await store.query<{ readonly lot: string; readonly version: number }>(
      `SELECT lot, version FROM ${store.tableName(PLATFORM_SCHEMA, 'parking_lots')}`,
    )
    await this.#read(rows.map(({ lot, version }) => [lot, version] as const))
  }

  /** Compares the lots, as a batch has just read them, with those that memory was read at. */
  async follow(lots: readonly Row[]): Promise<void> {
    const read = lots.map(([lot, version]) => [String(lot), Number(version)] as const)
    if (read.every(([lot, version]) => this.lotVersion(lot) === version)) return
    await this.#read(read)
  }

  async #read(lots: readonly (readonly [lot: string, version: number])[]): Promise<void> {
    const { store, hosted } = this.#options
    // Before the keys: what changes in between is seen as a change by the next batch.
    for (const [lot, version] of lots) this.#lotVersions.set(lot, version)
    const services = hosted.filter((service) => lots.some(([lot]) => lot.startsWith(`${service} `)))
    this.#groups.clear()
    this.retrying = 0
    this.next = Number.POSITIVE_INFINITY
    for (const service of services) {
      const rows = await store.query<StoredKey>(`SELECT * FROM ${store.tableName(service, 'parked_keys')}`)
      const keys = rows.map((row) => parkedKeyOf(service, row))
      // Those of a newer program's groups are looked after by that program.
      for (const parked of keys) if (this.#policies.has(parked.group)) this.#put(parked)
    }
  }

  /** Memory follows a commit. */
  apply(
    changes: Iterable<{ readonly before: ParkedKey | undefined; readonly after: ParkedKey | undefined }>,
    lots: Iterable<readonly [lot: string, version: number]>,
  ): void {
    for (const { before, after } of changes) {
      const known = before ?? after
      if (known !== undefined) this.#remove(known)
      if (after !== undefined) this.#put(after)
    }
    for (const [lot, version] of lots) this.#lotVersions.set(lot, version)
  }

  /** Leaves a head alone for a while, without a word in the database. */
  defer(parked: ParkedKey, until: number): void {
    this.#deferred.set(parked, until)
    this.next = Math.min(this.next, until)
  }

  /** The heads of this process whose time has come, oldest first: so every key gets its turn. */
  due(now: number): readonly ParkedKey[] {
    if (now < this.next) return []
    const due: ParkedKey[] = []
    let next = Number.POSITIVE_INFINITY
    for (const group of this.#groups.keys()) {
      for (const parked of this.#all(group)) {
        if (!this.#isOurs(parked)) continue
        const at = Math.max(parked.due, this.#deferred.get(parked) ?? 0)
        if (at <= now) due.push(parked)
        else next = Math.min(next, at)
      }
    }
    this.next = due.length > 0 ? now : next
    return due.toSorted((one, other) => one.due - other.due).slice(0, MAX_RETRIES)
  }

  /** Every head whose time has come, whoever works on it, oldest first. */
  overdue(now: number): readonly ParkedKey[] {
    if (this.retrying === 0) return []
    const heads = [...this.#groups.keys()].flatMap((group) => this.#all(group))
    const due = heads.filter((parked) => parked.state === 'retrying' && parked.due <= now)
    return due.toSorted((one, other) => one.due - other.due)
  }

  #isOurs({ state, partitions, partition, group }: ParkedKey): boolean {
    const { holds, isPaused } = this.#options
    return state === 'retrying' && holds(partitions, partition) && isPaused?.(group, partition) !== true
  }

  #all(group: string): ParkedKey[] {
    const { byField } = this.#groups.get(group) ?? { byField: new Map<string, Map<string, ParkedKey>>() }
    return [...byField.values()].flatMap((keys) => [...keys.values()])
  }

  #put(parked: ParkedKey): void {
    const { group, keyName, key, messages, state, due } = parked
    let known = this.#groups.get(group)
    if (known === undefined) this.#groups.set(group, (known = { byField: new Map(), keys: 0, messages: 0 }))
    let keys = known.byField.get(keyName)
    if (keys === undefined) known.byField.set(keyName, (keys = new Map()))
    keys.set(key, parked)
    known.keys += 1
    known.messages += messages
    if (state === 'held') return
    this.retrying += 1
    this.next = Math.min(this.next, due)
  }

  #remove(name: KeyName): void {
    const known = this.#groups.get(name.group)
    const parked = this.find(name)
    if (known === undefined || parked === undefined) return
    known.byField.get(name.keyName)?.delete(name.key)
    known.keys -= 1
    known.messages -= parked.messages
    if (parked.state === 'retrying') this.retrying -= 1
    if (known.keys === 0) this.#groups.delete(name.group)
  }
}

/** Leases of all topics with the same count of partitions go together, so a lot is named by count and number. */
function lotsOf(counts: ReadonlySet<number>, hosted: readonly string[]): Row[] {
  return hosted
    .flatMap((service) =>
      [...counts].flatMap((count) => Array.from({ length: count }, (_, at) => `${service} ${count}/${at}`)),
    )
    .toSorted()
    .map((lot) => [lot])
}
