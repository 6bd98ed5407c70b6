// Which groups a person has paused: a document a group, in its service's own schema, changed by two commands.
import { z } from 'zod'
import { entity } from '../../kernel/entity.ts'
import type { StateKind } from '../../kernel/handler.ts'
import type { Message, MessageInfo } from '../../kernel/message.ts'
import type { CodeTable } from '../../kernel/refuse.ts'
import { refuse } from '../../kernel/refuse.ts'
import type { Reaction } from '../runtime/registry.ts'

/** What is paused: the whole group, or what it reads of a topic or of a partition number. */
export interface PauseScope {
  readonly topic: string | null
  readonly partition: number | null
}

export interface Pause extends PauseScope {
  readonly by: string
  readonly reason: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** As many as the group has topics and partitions, at most. */
export interface GroupPauses {
  readonly pauses: readonly Pause[]
}

export const pauseCodes = {
  GROUP_NOT_FOUND: { status: 404, title: 'There is no such consumer group. GET /v1/ops/groups lists them.' },
  GROUP_PART_NOT_FOUND: { status: 404, title: 'The group reads no such topic or partition: see GET /v1/ops/groups.' },
  GROUP_NOT_PAUSED: {
    status: 409,
    title: 'Exactly this is not paused, so nothing was resumed. What is paused stands in details.',
  },
} as const satisfies CodeTable

export const PAUSES_TABLE = 'paused_groups'

const kinds = new Map<string, StateKind<GroupPauses>>()

/** The kind of a service's pauses, by the name of the group. */
export function pausesKind(service: string): StateKind<GroupPauses> {
  let kind = kinds.get(service)
  if (kind === undefined) {
    kind = entity<GroupPauses>(PAUSES_TABLE, { initial: () => ({ pauses: [] }) })
    kinds.set(service, kind)
  }
  return kind
}

const TYPES = { pause: 'PauseGroup', resume: 'ResumeGroup' } as const
export type PauseAct = keyof typeof TYPES

const schema = z.object({
  group: z.string(),
  topic: z.string().nullable(),
  partition: z.int().nullable(),
  reason: z.string(),
})
export type AskedOfGroup = z.output<typeof schema>

/** They go to no topic: a caller's command is handled in the transaction that answers him. */
export const pauseMessages: readonly MessageInfo[] = Object.values(TYPES).map((type) => ({
  type,
  kind: 'command',
  service: '*',
  topic: '*.commands',
  key: 'group',
  schema,
}))

export function askOfGroup(act: PauseAct, asked: AskedOfGroup): Message {
  return { type: TYPES[act], data: asked }
}

export function isPauseCommand({ type }: Pick<Message, 'type'>): boolean {
  return type === TYPES.pause || type === TYPES.resume
}

/** How a service takes the two commands about its groups. */
export function pauseReactions(service: string): readonly (readonly [type: string, reaction: Reaction])[] {
  const kind = pausesKind(service)
  const reactionOf = (act: PauseAct): Reaction => ({
    service,
    name: TYPES[act],
    loads: (data) => [kind.at((data as AskedOfGroup).group)],
    handle: (data, held, { now, principal }) => {
      const { group, topic, partition, reason } = data as AskedOfGroup
      const { pauses } = held.get(kind.at(group))
      const others = pauses.filter((one) => one.topic !== topic || one.partition !== partition)
      const isResumed = act === 'resume'
      refuse(isResumed && others.length === pauses.length, 'GROUP_NOT_PAUSED', { paused: pauses.map(scopeText) })
      const added = isResumed ? [] : [{ topic, partition, by: principal, reason, at: now }]
      held.put(kind.at(group), { pauses: [...others, ...added] })
      return []
    },
  })
  return [
    [TYPES.pause, reactionOf('pause')],
    [TYPES.resume, reactionOf('resume')],
  ]
}

/** Whether a pause holds up what the group reads there. */
export function covers(
  pause: PauseScope,
  { topic, partition }: { readonly topic: string; readonly partition: number },
) {
  return (pause.topic === null || pause.topic === topic) && (pause.partition === null || pause.partition === partition)
}

export function scopeText({ topic, partition }: PauseScope): string {
  const parts = [...(topic === null ? [] : [topic]), ...(partition === null ? [] : [`partition ${partition}`])]
  return parts.length === 0 ? 'the whole group' : parts.join(' ')
}

export function pauseText(pause: Pause): string {
  return `paused by ${pause.by} since ${new Date(pause.at).toISOString()}: ${pause.reason}`
}
