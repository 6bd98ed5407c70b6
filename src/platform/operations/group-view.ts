// A consumer group as an operator sees it: how far it is, what holds it up, what waits.
import { z } from 'zod'
import { momentOf } from '../../kernel/inputs.ts'
import { oneByOneText } from '../runtime/channels.ts'
import { pauseText, scopeText } from './pause-state.ts'
import type { GroupPart, GroupStanding } from './read-groups.ts'

const STATES = [
  'running',
  'one-by-one',
  'paused',
  'log',
  'fault',
  'breaker',
  'full',
  'conflict',
  'barrier',
  'elsewhere',
  'idle',
] as const
const STATES_MEAN =
  'running; one-by-one: a record at a time, since processes died there; paused: by a person; log: the log has a gap ' +
  'or went back; fault: a record is tried again in place; ' +
  'breaker: a handler that fails for many keys is paused; full: as much is parked as may be; conflict: the store ' +
  'refuses what a record leads to; barrier: the topic was scaled, and the group has still to read another partition ' +
  'up to its barrier; elsewhere: the process that holds it knows more; idle: no process holds it.'

const PauseAnswer = z.object({
  topic: z.string().nullable(),
  partition: z.int().nullable(),
  by: z.string(),
  reason: z.string(),
  since: z.string(),
})

export const PartAnswer = z.object({
  source: z.string(),
  topic: z.string(),
  partition: z.int(),
  next: z.int().describe('The number of the record that is read next.'),
  head: z.int().describe('The number that the next record will get.'),
  lag: z.int(),
  owner: z.string().nullable().describe('The process that works on it.'),
  state: z.enum(STATES).describe(STATES_MEAN),
  detail: z.string(),
})

export const GroupAnswer = z.object({
  group: z.string(),
  service: z.string(),
  logId: z.string().describe('Identifies its database.'),
  topics: z.array(z.string()),
  lag: z.int().describe('Records that it has still to read.'),
  read: z.int(),
  states: z.record(z.enum(STATES), z.int()).describe('How many of its partitions stand how.'),
  pauses: z.array(PauseAnswer),
  breakers: z.array(z.string()).describe('Messages whose handler is paused in this process.'),
  parked: z.object({
    keys: z.int(),
    held: z.int().describe('Keys that wait for a person.'),
    messages: z.int(),
  }),
})

export const GroupDetail = GroupAnswer.extend({ partitions: z.array(PartAnswer) })
export const ListedGroup = GroupAnswer.extend({ partitions: z.array(PartAnswer).optional() })

export function groupView(standing: GroupStanding): z.output<typeof GroupAnswer> {
  const { group, logId, parts, pauses, breakers, parked } = standing
  const states = Object.fromEntries(
    STATES.map((state) => [state, parts.filter((part) => stateOf(part) === state).length]),
  ) as Record<(typeof STATES)[number], number>
  return {
    group: group.name,
    service: group.service,
    logId,
    topics: [...group.topics],
    lag: parts.reduce((sum, part) => sum + lagOf(part), 0),
    read: parts.reduce((sum, { next }) => sum + next, 0),
    states,
    pauses: pauses.map(({ at, ...pause }) => ({ ...pause, since: momentOf(at) })),
    breakers: [...breakers],
    parked,
  }
}

export function groupDetail(standing: GroupStanding): z.output<typeof GroupDetail> {
  return { ...groupView(standing), partitions: standing.parts.map(partView) }
}

function partView(part: GroupPart): z.output<typeof PartAnswer> {
  const { source, topic, partition, next, head, owner = null } = part
  return { source, topic, partition, next, head, lag: lagOf(part), owner, state: stateOf(part), detail: detailOf(part) }
}

function lagOf({ head, next }: GroupPart): number {
  return Math.max(0, head - next)
}

function stateOf({ paused, cursor, owner }: GroupPart): (typeof STATES)[number] {
  if (paused !== undefined) return 'paused'
  if (cursor === undefined) return owner === undefined ? 'idle' : 'elsewhere'
  if (cursor.stopped !== undefined) return cursor.stoppedFor ?? 'fault'
  return cursor.suspect === undefined ? 'running' : 'one-by-one'
}

function detailOf({ paused, cursor }: GroupPart): string {
  if (paused !== undefined) return `${scopeText(paused)} is ${pauseText(paused)}`
  if (cursor?.stopped !== undefined) return cursor.stopped
  return cursor?.suspect === undefined ? '' : oneByOneText(cursor.suspect)
}
