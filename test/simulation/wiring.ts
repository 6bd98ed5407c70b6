// What the declared services say about themselves: the same for every node, so it is worked out once.
import { topicNamed } from '../../src/kernel/message.ts'
import { policyOf } from '../../src/platform/parking/policy.ts'
import { buildRegistry, saidBy } from '../../src/platform/runtime/registry.ts'
import { services } from '../../src/services.ts'

export const registry = buildRegistry(services)

/** Every service, in one database. */
export const SERVICE_NAMES: readonly string[] = services.map(({ name }) => name)

/** Which log each type is appended to, as `source/topic`: one service alone says it. */
const logOfType: ReadonlyMap<string, string> = new Map(
  services.flatMap((service) => saidBy(service).map(({ type, topic }) => [type, `${service.name}/${topic}`])),
)

/** The types that a group has handlers for, each with its log. */
export const GROUP_TYPES: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map(
  registry.groups
    .filter(({ reactions }) => reactions.size > 0)
    .map(({ name, reactions }) => [
      name,
      new Map([...reactions.keys()].map((type) => [type, logOfType.get(type) ?? ''])),
    ]),
)

/** The topics that a group reads. */
export const GROUP_TOPICS: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  registry.groups.map(({ name, topics }) => [name, new Set(topics)]),
)

/** The tables of event-sourced documents, as `schema.table`. */
export const AGGREGATE_TABLES: ReadonlySet<string> = new Set(
  services.flatMap(({ name, aggregates }) => aggregates.map((aggregate) => `${name}.${aggregate.name}`)),
)

/** The counts of partitions that topics have: leases go by them. */
export const PARTITION_COUNTS: readonly number[] = [
  ...new Set(services.flatMap(({ topics }) => topics.map(({ name }) => topicNamed(name).partitions))),
]

/** Schemas with a log, which is what nodes tell each other about. */
export const SOURCES: readonly string[] = registry.schemas
  .filter(({ topics }) => topics.length > 0)
  .map(({ schema }) => schema)

const policies = new Map(
  registry.groups.flatMap((group) => {
    const service = services.find(({ name }) => name === group.service)
    return service === undefined ? [] : [[group.name, policyOf(group, service)] as const]
  }),
)

/** Whether a group goes on behind a dead message of the topic. */
export function skips(group: string, topic: string): boolean {
  return policies.get(group)?.whenDead(topic) === 'skip'
}
