// Consumer groups over HTTP, for operators: how each stands, and pausing and resuming it or a part of it.
import { z } from 'zod'
import { text } from '../../kernel/shapes.ts'
import { Refusal, refuse } from '../../kernel/refuse.ts'
import type { Request, Route } from '../../kernel/route.ts'
import { get, post } from '../../kernel/route.ts'
import { MAX_REASON_LENGTH } from '../../kernel/saga-acts.ts'
import { GroupDetail, groupDetail, groupView, ListedGroup } from './group-view.ts'
import type { PauseAct } from './pause-state.ts'
import { askOfGroup, covers, pausesKind, scopeText } from './pause-state.ts'
import type { GroupDesk, GroupStanding } from './read-groups.ts'
import { readGroups } from './read-groups.ts'

const params = z.object({
  group: z
    .string()
    .regex(/^[\w.-]+$/)
    .describe('Such as orders, or orders.order_list.'),
})
const body = z.strictObject({
  reason: text(MAX_REASON_LENGTH).describe('Why, for the audit and for whoever wonders; no personal data.'),
  topic: z.string().optional().describe('Only what it reads of this topic.'),
  partition: z.int().min(0).optional().describe('Only this partition number.'),
})

type Asked = Request<z.output<typeof params>, unknown, z.output<typeof body>>

/** @throws {Refusal} GROUP_NOT_FOUND */
async function standingOf(desk: GroupDesk, group: string): Promise<GroupStanding> {
  const [standing] = await readGroups(desk, group)
  if (standing === undefined) throw new Refusal('GROUP_NOT_FOUND', { group })
  return standing
}

/** The routes of consumer groups. */
export function pauseRoutes(desk: GroupDesk): readonly Route[] {
  return [
    get('/v1/ops/groups', {
      summary: 'List the consumer groups: how far each is, what it stands still for, what is parked.',
      role: 'operator',
      query: z.object({
        partitions: z.enum(['true', 'false']).default('false').describe('true: each partition of each group, too.'),
      }),
      answers: { 200: z.object({ items: z.array(ListedGroup) }) },
      handle: async ({ query: { partitions } }) => {
        const viewOf = partitions === 'true' ? groupDetail : groupView
        return { status: 200, body: { items: (await readGroups(desk)).map(viewOf) } }
      },
    }),
    get('/v1/ops/groups/:group', {
      summary: 'Look into a consumer group, partition by partition.',
      role: 'operator',
      params,
      answers: { 200: GroupDetail },
      codes: ['GROUP_NOT_FOUND'],
      handle: async ({ params: { group } }) => ({ status: 200, body: groupDetail(await standingOf(desk, group)) }),
    }),
    post('/v1/ops/groups/:group/pause', {
      summary:
        'Pause a consumer group, or what it reads of a topic or a partition: no record, timer or parked key of it ' +
        'goes on, in any process, until it is resumed. Commands and answers of the outside are taken all the same.',
      role: 'operator',
      params,
      body,
      answers: { 200: PausedAnswer },
      codes: ['GROUP_NOT_FOUND', 'GROUP_PART_NOT_FOUND'],
      handle: (request) => change(desk, 'pause', request as Asked),
    }),
    post('/v1/ops/groups/:group/resume', {
      summary: 'Resume a consumer group: exactly what was paused.',
      role: 'operator',
      params,
      body,
      answers: { 200: PausedAnswer },
      codes: ['GROUP_NOT_FOUND', 'GROUP_PART_NOT_FOUND', 'GROUP_NOT_PAUSED'],
      handle: (request) => change(desk, 'resume', request as Asked),
    }),
  ]
}

const PausedAnswer = z.object({
  group: z.string(),
  paused: z.array(z.string()).describe('What is paused now: the whole group, a topic, a partition.'),
})

/** One command, with its audit entry in the same transaction; every process hears of it within about a second. */
async function change(desk: GroupDesk, act: PauseAct, { params: { group: name }, body: asked, submit }: Asked) {
  const { group, parts } = await standingOf(desk, name)
  const { topic = null, partition = null, reason } = asked
  const scope = { topic, partition }
  refuse(!parts.some((part) => covers(scope, part)), 'GROUP_PART_NOT_FOUND', { group: name, part: scopeText(scope) })
  return submit(
    askOfGroup(act, { group: name, topic, partition, reason }),
    (held) => {
      const { pauses } = held.get(pausesKind(group.service).at(name))
      return { status: 200, body: { group: name, paused: pauses.map(scopeText) } }
    },
    { action: `group.${act}`, target: name, reason, details: { ...asked, reason: undefined } },
  )
}
