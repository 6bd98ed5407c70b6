// Which partitions hold messages that a service has not handled yet: until it has, services may disagree about a key.
import { partitionFor } from '../../platform/log/murmur2.ts'
import { readUnhandled } from '../../platform/parking/stored-parking.ts'
import type { Head } from '../../platform/ports.ts'
import { placeName, placesOf } from '../../platform/rebuild/log-reader.ts'
import { boundsOf, readPlaces } from '../../platform/rebuild/stored-places.ts'
import type { CheckContext } from './problem.ts'

/** Says of a key whether a message about it may be unread, or was passed without having been handled. */
export type Unread = (key: string) => boolean

/** Reads the cursors of the services' own groups, and then the heads, which only rise. */
export async function readUnread(context: CheckContext, services: readonly string[]): Promise<Unread> {
  const { registry, storeOf } = context
  const groups = registry.groups.filter(({ name }) => services.includes(name))
  const positions = new Map<string, ReadonlyMap<string, number>>()
  for (const { name, service } of groups) {
    positions.set(name, boundsOf(await readPlaces(storeOf(service), service, name)))
  }
  const heads = await readBounds(context)
  const behind = new Map<number, Set<number>>()
  for (const group of groups) {
    for (const place of placesOf(registry, group)) {
      const name = placeName(place)
      const { first = 0, next = 0 } = heads.get(name) ?? {}
      if ((positions.get(group.name)?.get(name) ?? first) >= next) continue
      const count = registry.schemas
        .find(({ schema }) => schema === place.source)
        ?.topics.find((topic) => topic.name === place.topic)?.partitions
      if (count !== undefined) behind.set(count, (behind.get(count) ?? new Set()).add(place.partition))
    }
  }
  const parked = await readUnhandledKeys(context, services)
  return (key) => parked.has(key) || [...behind].some(([count, partitions]) => partitions.has(partitionFor(key, count)))
}

/** The keys of messages that these services have passed and not handled. */
export async function readUnhandledKeys(
  { storeOf }: CheckContext,
  services: readonly string[],
): Promise<ReadonlySet<string>> {
  const keys = new Set<string>()
  for (const service of services) {
    for (const { key } of await readUnhandled(storeOf(service), service)) keys.add(key)
  }
  return keys
}

/** The next sequence of each partition, by the name of its place. */
export async function readHeads(context: CheckContext): Promise<ReadonlyMap<string, number>> {
  return new Map([...(await readBounds(context))].map(([name, { next }]) => [name, next]))
}

/** Where the log of each partition begins and ends, by the name of its place. */
export async function readBounds({ registry, storeOf }: CheckContext): Promise<ReadonlyMap<string, Head>> {
  const heads = new Map<string, Head>()
  for (const { schema, topics } of registry.schemas) {
    if (topics.length === 0) continue
    for (const head of await storeOf(schema).heads(schema)) heads.set(placeName(head), head)
  }
  return heads
}
