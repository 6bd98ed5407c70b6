// What the user of a process needs at the brokers, from the declarations: no more, so that no other process can forge.
import {
  type Acl,
  AclOperations,
  AclPermissionTypes,
  Admin,
  ResourcePatternTypes,
  ResourceTypes,
} from '@platformatic/kafka'
import type { Registry } from '../runtime/registry.ts'
import { addressOptions, type KafkaAddress } from './address.ts'
import { within } from './deadline.ts'
import { MIRROR_KINDS, mirroredTopics, mirrorTopicName } from './mirror-topics.ts'
import { HEADS_TOPIC } from './heads-record.ts'

export interface Right {
  readonly resource: 'topic' | 'group' | 'transactional-id'
  readonly name: string
  readonly pattern: 'literal' | 'prefixed'
  readonly operations: readonly ('READ' | 'WRITE' | 'DESCRIBE' | 'DESCRIBE_CONFIGS')[]
}

/** What a process does with Kafka. */
export interface Part {
  /** The services whose logs lie in its databases, by database: it ships them. */
  readonly databases: readonly (readonly string[])[]
  /** The services that run in it: it reads what they hear from elsewhere. */
  readonly chosen: readonly string[]
  /** Stands before the names of its groups at the brokers. */
  readonly groupPrefix: string
}

const DEADLINE_MS = 12_000
const RETRIES = 2

/** The transactional id of a database's relay begins so; one of its services follows, and the id of that one's log. */
export const RELAY_PREFIX = 'lonja-relay-'

/** Topics that a process ships to, those that it reads of other databases, and all that its groups hear. */
export function topicsOf(
  { groups, schemas, sourcesOf }: Registry,
  { databases, chosen }: Pick<Part, 'databases' | 'chosen'>,
) {
  const here = new Set(databases.flat())
  const shipped = schemas
    .filter(({ schema }) => here.has(schema))
    .flatMap(({ topics }) => topics.map(({ name }) => name))
  const heard = groups.filter(({ service }) => chosen.includes(service)).flatMap(({ topics }) => topics)
  const read = heard.filter((topic) => sourcesOf(topic).some((source) => !here.has(source)))
  const sorted = (names: readonly string[]): readonly string[] => [...new Set(names)].toSorted()
  return { shipped: sorted(shipped), read: sorted(read), heard: sorted(heard) }
}

export function rightsOf(registry: Registry, part: Part): readonly Right[] {
  const { shipped, heard } = topicsOf(registry, part)
  const groups = registry.groups.filter(({ service }) => part.chosen.includes(service))
  const topics = new Map<string, Right['operations'][number][]>()
  const allow = (topic: string, operation: Right['operations'][number]): void => {
    topics.set(topic, [...(topics.get(topic) ?? ['DESCRIBE', 'DESCRIBE_CONFIGS']), operation])
  }
  for (const topic of [...shipped, HEADS_TOPIC]) allow(topic, 'WRITE')
  // Whoever writes down how far a group is has to be allowed to read there, also where its own database is read.
  // What it has shipped is read, too, to see whether Kafka still has it.
  // Announcements are read by all: two installations under one name, and clocks that differ, show there.
  for (const topic of new Set([...shipped, ...heard, HEADS_TOPIC])) allow(topic, 'READ')
  for (const topic of mirroredTopics(groups)) {
    for (const kind of MIRROR_KINDS) allow(mirrorTopicName(topic, kind), 'WRITE')
    allow(mirrorTopicName(topic, 'retry'), 'READ')
  }
  return [
    ...[...topics].map(([name, operations]): Right => ({ resource: 'topic', name, pattern: 'literal', operations })),
    ...groups.map(({ name }): Right => {
      return { resource: 'group', name: `${part.groupPrefix}${name}`, pattern: 'literal', operations: ['READ'] }
    }),
    // Which of them the relay goes by was settled when the database was new.
    ...part.databases.flat().map((service): Right => {
      const name = `${RELAY_PREFIX}${service}-`
      return { resource: 'transactional-id', name, pattern: 'prefixed', operations: ['DESCRIBE', 'WRITE'] }
    }),
  ]
}

/** As Kafka's own tool spells them: it takes DESCRIBE too, and not DESCRIBE_CONFIGS. */
const TOOL_NAMES: Readonly<Record<Right['operations'][number], string>> = {
  READ: 'Read',
  WRITE: 'Write',
  DESCRIBE: 'Describe',
  DESCRIBE_CONFIGS: 'DescribeConfigs',
}

/** A line for Kafka's own kafka-acls for each right. */
export function commandOf({ resource, name, pattern, operations }: Right, principal: string): string {
  const allowed = operations.map((operation) => `--operation ${TOOL_NAMES[operation]}`).join(' ')
  const place = `--${resource} ${name}${pattern === 'prefixed' ? ' --resource-pattern-type prefixed' : ''}`
  return `kafka-acls --add --allow-principal ${principal} ${allowed} ${place}`
}

/** Makes the rights at the brokers; those that are there stay. */
export async function grant(address: KafkaAddress, rights: readonly Right[], principal: string): Promise<void> {
  const admin = new Admin({ ...addressOptions(address), retries: RETRIES })
  admin.on('error', () => undefined)
  try {
    const creations = rights.flatMap((right) => right.operations.map((operation) => aclOf(right, operation, principal)))
    await within(DEADLINE_MS, `granting ${creations.length} rights`, admin.createAcls({ creations }))
  } finally {
    await within(DEADLINE_MS, 'closing', admin.close()).catch(() => undefined)
  }
}

const RESOURCE_TYPES = {
  topic: ResourceTypes.TOPIC,
  group: ResourceTypes.GROUP,
  'transactional-id': ResourceTypes.TRANSACTIONAL_ID,
} as const

function aclOf({ resource, name, pattern }: Right, operation: Right['operations'][number], principal: string): Acl {
  return {
    resourceType: RESOURCE_TYPES[resource],
    resourceName: name,
    resourcePatternType: pattern === 'literal' ? ResourcePatternTypes.LITERAL : ResourcePatternTypes.PREFIXED,
    principal,
    host: '*',
    operation: AclOperations[operation],
    permissionType: AclPermissionTypes.ALLOW,
  }
}
