// Which partitions hold messages that a service has not handled yet: until it has, services may disagree about a key.
import { EXTERNAL_SOURCE } from '../../kernel/message.ts'
import { partitionFor } from '../../platform/log/murmur2.ts'
import type { Unhandled } from '../../platform/parking/stored-parking.ts'
import { readUnhandled } from '../../platform/parking/stored-parking.ts'
import type { Head } from '../../platform/ports.ts'
import { type Place, placeName, placesOf } from '../../platform/rebuild/log-reader.ts'
import { boundsOf, readPlaces } from '../../platform/rebuild/stored-places.ts'
import type { CheckContext } from './problem.ts'

/** Says of a key whether a message about it may be unread, or waits to be tried again. */
export type Unread = (key: string) => boolean

/** Messages that will not be handled by themselves any more, by key. */
export type GivenUp = ReadonlyMap<string, readonly Unhandled[]>

/** Reads the cursors of the services' own groups, and then the heads, which only rise. */
export async function readUnread(
  context: CheckContext,
  services: readonly string[],
): Promise<{ readonly isUnread: Unread; readonly givenUp: GivenUp }> {
  const { registry, storeOf } = context
  const groups = registry.groups.filter(({ name }) => services.includes(name))
  const positions = new Map<string, ReadonlyMap<string, number>>()
  for (const { name, service } of groups) {
    positions.set(name, boundsOf(await readPlaces(storeOf(service), service, name)))
  }
  const heads = await readBounds(context)
  const behind = new Map<number, Set<number>>()
  for (const group of groups) {
    for (const place of await placesOf(registry, group, storeOf)) {
      const name = placeName(place)
      const { first = 0, next = 0 } = heads.get(name) ?? {}
      if ((positions.get(group.name)?.get(name) ?? first) >= next) continue
      // A key that was scaled away from here may still have records here.
      for (const count of countsOf(heads, place))
        behind.set(count, (behind.get(count) ?? new Set()).add(place.partition))
    }
  }
  const { waiting, givenUp } = await readPassed(context, services)
  const isBehind = (key: string) => [...behind].some(([count, partitions]) => partitions.has(partitionFor(key, count)))
  return { isUnread: (key) => waiting.has(key) || isBehind(key), givenUp }
}

/** How many partitions the topic of a place has, and had while this one was there already. */
function countsOf(heads: ReadonlyMap<string, Head>, { source, topic, partition }: Place): readonly number[] {
  const own = [...heads.values()].filter((head) => head.source === source && head.topic === topic)
  const made = own.map((head) => head.made)
  const since = own.find((head) => head.partition === partition)?.made ?? 1
  const generations = [...new Set(made)].filter((generation) => generation >= since)
  return generations.map((generation) => made.filter((each) => each <= generation).length)
}

/**
 * The keys whose messages these services have passed and not handled. What waits behind a dead letter waits for the
 * person who decides about it, so such a key rests: it is told with the letter, and not counted as moving.
 */
export async function readPassed(
  { storeOf }: CheckContext,
  services: readonly string[],
): Promise<{ readonly waiting: ReadonlySet<string>; readonly givenUp: GivenUp }> {
  const waiting = new Set<string>()
  const givenUp = new Map<string, Unhandled[]>()
  for (const service of services) {
    const passed = await readUnhandled(storeOf(service), service)
    const placeOf = ({ group, keyName, key }: Unhandled) => [group, keyName, key].join(' ')
    const dead = new Set(passed.filter(({ state }) => state === 'dead').map(placeOf))
    for (const one of passed) {
      if (one.state !== 'waiting') givenUp.set(one.key, [...(givenUp.get(one.key) ?? []), one])
      else if (!dead.has(placeOf(one))) waiting.add(one.key)
    }
  }
  return { waiting, givenUp }
}

/** The next sequence of each partition, by the name of its place. */
export async function readHeads(context: CheckContext): Promise<ReadonlyMap<string, number>> {
  return new Map([...(await readBounds(context))].map(([name, { next }]) => [name, next]))
}

/** Where the log of each partition begins and ends, by the name of its place. */
export async function readBounds({ registry, storeOf }: CheckContext): Promise<ReadonlyMap<string, Head>> {
  const heads = new Map<string, Head>()
  for (const { schema, topics } of registry.schemas) {
    if (topics.length === 0 || schema === EXTERNAL_SOURCE) continue
    for (const head of await storeOf(schema).heads(schema)) heads.set(placeName(head), head)
  }
  return heads
}
