// Whether every group can follow a scaling: one that stands still would hold the new partitions for as long.
import { refuse } from '../../kernel/refuse.ts'
import type { Head } from '../ports.ts'
import type { GroupDesk, GroupPart, GroupStanding } from '../operations/read-groups.ts'
import { readGroups } from '../operations/read-groups.ts'
import { placeName } from '../rebuild/log-reader.ts'
import { endOf } from '../runtime/channels.ts'

/** As many as fit an answer that a person reads. */
const NAMED = 10

/** @throws {Refusal} SCALING_UNDER_WAY, SCALING_GROUP_STANDS */
export async function checkGroups(desk: GroupDesk, topics: ReadonlySet<string>): Promise<void> {
  const crossing = await notAcross(desk, topics)
  refuse(crossing.length > 0, 'SCALING_UNDER_WAY', { waiting: crossing.slice(0, NAMED) })
  const standing = (await readGroups(desk)).flatMap((group) => standingIn(group, topics))
  refuse(standing.length > 0, 'SCALING_GROUP_STANDS', { standing: standing.slice(0, NAMED) })
}

function standingIn({ group, parts }: GroupStanding, topics: ReadonlySet<string>): string[] {
  return parts.flatMap(({ topic, partition, paused, cursor }: GroupPart) => {
    if (!topics.has(topic)) return []
    // A record that is tried again in place is over in moments.
    const why =
      paused === undefined && cursor?.stoppedFor !== 'fault' ? cursor?.stopped : paused && 'paused by a person'
    return why === undefined ? [] : [`${group.name} at ${topic}/${partition}: ${why}`]
  })
}

/** The groups that have still to pass barriers of the last scaling, by their rows: those of other processes too. */
async function notAcross(desk: GroupDesk, topics: ReadonlySet<string>): Promise<readonly string[]> {
  const heads: Head[] = []
  const { registry } = desk
  for (const { schema, topics: own } of registry.schemas) {
    if (own.some(({ name }) => topics.has(name))) heads.push(...(await desk.logOf(schema).heads(schema)))
  }
  const scaled = heads.filter(({ topic, generation, made }) => topics.has(topic) && made < generation)
  if (scaled.length === 0) return []
  const waiting: string[] = []
  for (const { name, service, topics: heard } of registry.groups) {
    if (!desk.isHere(service)) continue
    const passed = await passedBy(desk, service, name)
    for (const head of scaled.filter(({ topic }) => heard.includes(topic))) {
      const { next = 0, generation = head.made } = passed.get(placeName(head)) ?? {}
      const isAcross = generation >= head.generation || next >= endOf(head)
      if (!isAcross) waiting.push(`${name} before barrier ${head.generation} of ${placeName(head)}`)
    }
  }
  return waiting
}

interface Passed {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly next: number
  readonly generation: number
}

async function passedBy(desk: GroupDesk, service: string, group: string): Promise<ReadonlyMap<string, Passed>> {
  const store = desk.storeOf(service)
  const rows = await store.query<Passed>(
    `SELECT source, topic, partition, next, generation FROM ${store.tableName(service, 'cursors')}
     WHERE consumer_group = ?`,
    [group],
  )
  return new Map(rows.map((row) => [placeName(row), row]))
}
