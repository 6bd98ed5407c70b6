// How every consumer group stands, as its database tells it: where it reads, what is parked, who works on it.
import type { Head, Log, Membership, Store } from '../ports.ts'
import { placeName } from '../rebuild/log-reader.ts'
import { endOf, type Cursor } from '../runtime/channels.ts'
import type { Group, Registry } from '../runtime/registry.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { readPauses } from './pause-memory.ts'
import type { Pause } from './pause-state.ts'
import { covers } from './pause-state.ts'

/** One partition of one source, as a group reads it. */
export interface GroupPart {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly next: number
  readonly head: number
  readonly paused: Pause | undefined
  /** This process's own cursor; undefined where another process works on the partition, which alone knows the rest. */
  readonly cursor: Cursor | undefined
  /** Who holds the lease; undefined where nobody does. */
  readonly owner: string | undefined
}

export interface GroupStanding {
  readonly group: Group
  /** Identifies the database: two of them may have the same groups. */
  readonly logId: string
  readonly pauses: readonly Pause[]
  readonly parts: readonly GroupPart[]
  /** Message types whose handler is paused here, since it fails for many keys. */
  readonly breakers: readonly string[]
  readonly parked: { readonly keys: number; readonly held: number; readonly messages: number }
}

/** What is asked of the running application. */
export interface GroupDesk {
  readonly registry: Registry
  readonly runtimes: readonly Runtime[]
  storeOf(service: string): Store
  logOf(service: string): Log
  isHere(service: string): boolean
}

/** @param wanted only this group; all of them where not said. */
export async function readGroups(desk: GroupDesk, wanted?: string): Promise<readonly GroupStanding[]> {
  const groups = desk.registry.groups.filter(
    ({ name, service }) => desk.isHere(service) && (wanted === undefined || name === wanted),
  )
  const standings: GroupStanding[] = []
  const heads = new Map<string, Head>()
  for (const schema of new Set(groups.flatMap(({ topics }) => topics.flatMap(desk.registry.sourcesOf)))) {
    for (const head of await desk.logOf(schema).heads(schema)) heads.set(placeName(head), head)
  }
  for (const [service, own] of Map.groupBy(groups, (group) => group.service)) {
    standings.push(...(await readService(desk, service, { groups: own, heads })))
  }
  return standings
}

interface ServiceGroups {
  readonly groups: readonly Group[]
  readonly heads: ReadonlyMap<string, Head>
}

async function readService(desk: GroupDesk, service: string, { groups, heads }: ServiceGroups) {
  const store = desk.storeOf(service)
  const runtime = desk.runtimes.find(({ options }) => options.store === store)
  const [positions, parked, pauses, { logId }] = await Promise.all([
    readPositions(store, service),
    readParked(store, service),
    readPauses(store, [service]),
    store.identity(service),
  ])
  const owners = runtime === undefined ? () => undefined : await ownersOf(runtime.options.membership)
  const cursors = ownCursors(runtime)
  return groups.map((group): GroupStanding => {
    const own = pauses.get(group.name) ?? []
    const places = placesOf(desk.registry, group, heads)
    return {
      group,
      logId,
      pauses: own,
      parts: places.map((place) => {
        const name = placeName(place)
        const known = heads.get(name)
        const { first = 0 } = known ?? {}
        const head = known === undefined ? 0 : endOf(known)
        return {
          ...place,
          next: positions.get(`${group.name} ${name}`) ?? first,
          head,
          paused: own.find((pause) => covers(pause, place)),
          cursor: cursors.get(`${group.name} ${name}`),
          owner: owners(place.partitions, place.partition),
        }
      }),
      breakers: (runtime?.parking.breakers.open ?? [])
        .filter((each) => each.group === group.name)
        .map(({ type }) => type),
      parked: parked.get(group.name) ?? { keys: 0, held: 0, messages: 0 },
    }
  })
}

interface Place {
  readonly source: string
  readonly topic: string
  readonly partition: number
}

/** Every partition of every source that the group reads: as many as there are heads, where these are known. */
function placesOf(
  { schemas }: Registry,
  group: Group,
  heads: ReadonlyMap<string, Head>,
): (Place & { readonly partitions: number })[] {
  const counts = new Map<string, number>()
  for (const { source, topic } of heads.values())
    counts.set(`${source}/${topic}`, (counts.get(`${source}/${topic}`) ?? 0) + 1)
  return schemas.flatMap(({ schema: source, topics }) =>
    topics
      .filter(({ name }) => group.topics.includes(name))
      .flatMap(({ name: topic, partitions: declared }) => {
        const partitions = Math.max(declared, counts.get(`${source}/${topic}`) ?? 0)
        return Array.from({ length: partitions }, (_, partition) => ({ source, topic, partition, partitions }))
      }),
  )
}

/** The cursors of the partitions on which this process works. */
function ownCursors(runtime: Runtime | undefined): ReadonlyMap<string, Cursor> {
  if (runtime === undefined || !runtime.options.works) return new Map()
  const { membership } = runtime.options
  const held = runtime.channels.all.filter(({ partitions, partition }) => membership.holds(partitions, partition))
  return new Map(
    held.flatMap((channel) => channel.cursors.map((cursor) => [`${cursor.group.name} ${placeName(channel)}`, cursor])),
  )
}

/** Who holds a partition; a process that is alone holds all. */
async function ownersOf(membership: Membership) {
  const members = await membership.members()
  const named = new Map(members.flatMap(({ id, partitions }) => partitions.map((held) => [held, id] as const)))
  return (count: number, partition: number): string | undefined =>
    named.get(`${count}/${partition}`) ?? named.get('all')
}

async function readPositions(store: Store, service: string): Promise<ReadonlyMap<string, number>> {
  const rows = await store.query<Place & { readonly consumer_group: string; readonly next: number }>(
    `SELECT consumer_group, source, topic, partition, next FROM ${store.tableName(service, 'cursors')}`,
  )
  return new Map(rows.map(({ consumer_group, next, ...place }) => [`${consumer_group} ${placeName(place)}`, next]))
}

async function readParked(store: Store, service: string) {
  const rows = await store.query<{
    readonly consumer_group: string
    readonly keys: number
    readonly held: number
    readonly messages: number
  }>(
    `SELECT consumer_group, count(*) AS keys, sum(messages) AS messages,
       sum(CASE WHEN state = 'held' THEN 1 ELSE 0 END) AS held
     FROM ${store.tableName(service, 'parked_keys')} GROUP BY consumer_group`,
  )
  return new Map(rows.map(({ consumer_group, keys, held, messages }) => [consumer_group, { keys, held, messages }]))
}
