// Setting the offsets of a consumer group over HTTP, for operators: what it would do, and doing it, with a reason.
import { z } from 'zod'
import { momentInput, millisecondsOf } from '../../kernel/inputs.ts'
import { Refusal, refuse } from '../../kernel/refuse.ts'
import type { Role, Route } from '../../kernel/route.ts'
import { post } from '../../kernel/route.ts'
import { auditWrites } from '../audit/audit.ts'
import { planOf } from '../parking/dead-letter-office.ts'
import { storedRowOf } from '../parking/parked-message.ts'
import { beginningText } from '../log/beginning.ts'
import { Conflict, type Row } from '../ports.ts'
import type { Rebuilds } from '../rebuild/rebuilds.ts'
import { CURSOR_NEWS } from '../runtime/hand-changes.ts'
import { sorted } from '../runtime/working-set.ts'
import { reasonInput } from './redrive-views.ts'
import {
  offsetCodes,
  partsIn,
  planOffsets,
  type OffsetMove,
  type OffsetPlan,
  type OffsetTarget,
} from './offset-targets.ts'
import type { GroupDesk } from './read-groups.ts'
import { readGroups } from './read-groups.ts'

export interface OffsetDesk extends GroupDesk {
  readonly rebuilds: Rebuilds
  now(): number
}

/** A group that reads on at the same moment moves its cursors; more often in a row it does not. */
const MAX_CONFLICTS = 10
const CODES = ['GROUP_NOT_FOUND', 'GROUP_PART_NOT_FOUND', ...(Object.keys(offsetCodes) as (keyof typeof offsetCodes)[])]

const params = z.object({
  group: z
    .string()
    .regex(/^[\w.-]+$/)
    .describe('Such as orders, or orders.order_list.'),
})
const body = z
  .strictObject({
    to: z.enum(['earliest', 'sequence', 'time']).describe('earliest: the lowest record that is kept.'),
    sequence: z.int().min(0).optional().describe('The record that is read next, of one partition.'),
    time: momentInput.optional().describe('The first record that was appended then or later is read next.'),
    source: z.string().optional().describe('Only what this service appended.'),
    topic: z.string().optional(),
    partition: z.int().min(0).optional(),
    dryRun: z.boolean().default(true).describe('Tells what would be done, unless it is false.'),
    reason: reasonInput,
  })
  .refine(({ to, sequence }) => (to === 'sequence') === (sequence !== undefined), 'sequence belongs to to: sequence')
  .refine(({ to, time }) => (to === 'time') === (time !== undefined), 'time belongs to to: time')
const MoveAnswer = z.object({
  source: z.string(),
  topic: z.string(),
  partition: z.int(),
  from: z.int().describe('What would be read next without it.'),
  to: z.int(),
})
const OffsetsAnswer = z.object({
  group: z.string(),
  through: z
    .enum(['nothing', 'skip', 'rebuild'])
    .describe('skip: the records between are never handled. rebuild: the projection is made anew from its logs.'),
  applied: z.boolean(),
  moves: z.array(MoveAnswer),
})

type Body = z.output<typeof body>
interface Asker {
  readonly principal: string
  readonly role: Role
  readonly newId: () => string
}

export function offsetRoutes(desk: OffsetDesk): readonly Route[] {
  return [
    post('/v1/ops/groups/:group/offsets', {
      summary:
        'Set the offsets of a consumer group: forwards, over records that it will never handle; back only for a ' +
        'projection, which is rebuilt. It is a dry run unless told.',
      role: 'operator',
      params,
      body,
      answers: { 200: OffsetsAnswer },
      codes: CODES,
      handle: async ({ params: { group }, body: asked, principal, role, newId }) => {
        const { through, moves, applied } = await untilDone(() => reset(desk, group, asked, { principal, role, newId }))
        return { status: 200, body: { group, through, applied, moves: moves.map(moveView) } }
      },
    }),
  ]
}

function moveView({ source, topic, partition, from, to }: OffsetMove) {
  return { source, topic, partition, from, to }
}

async function untilDone<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let conflicts = 0; ; conflicts += 1) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof Conflict) || conflicts >= MAX_CONFLICTS) throw error
    }
  }
}

async function reset(desk: OffsetDesk, name: string, asked: Body, asker: Asker) {
  const [standing] = await readGroups(desk, name)
  if (standing === undefined) throw new Refusal('GROUP_NOT_FOUND', { group: name })
  const parts = partsIn(standing, asked)
  refuse(parts.length === 0, 'GROUP_PART_NOT_FOUND', { group: name })
  const { group } = standing
  const plan = await planOffsets({ group, parts }, targetOf(asked), (source) => desk.logOf(source))
  if (asked.dryRun || plan.through === 'nothing') return { ...plan, applied: false }
  if (plan.through === 'rebuild') await desk.rebuilds.start(name, { ...asker, id: asker.newId() })
  else await skip(desk, { group, plan, reason: asked.reason }, asker)
  return { ...plan, applied: true }
}

function targetOf({ to, sequence, time }: Body): OffsetTarget {
  if (to === 'sequence') return { to, sequence: sequence ?? 0 }
  if (to === 'time') return { to, time: millisecondsOf(time) ?? 0 }
  return { to }
}

interface Skip {
  readonly group: { readonly name: string; readonly service: string }
  readonly plan: OffsetPlan
  readonly reason: string
}

/** @throws {Conflict} the group has read on meanwhile: what would be done has changed. */
async function skip(desk: OffsetDesk, { group, plan, reason }: Skip, asker: Asker): Promise<void> {
  const { registry } = desk
  const { principal, role } = asker
  const store = desk.storeOf(group.service)
  const table = registry.tables.get(group.service)?.cursors
  if (table === undefined) throw new Error(`No service ${group.service} is declared.`)
  const transaction = await store.begin()
  try {
    const keys = plan.moves.map((move): Row => keyOf(group.name, move))
    const stored = await transaction.load(table, sorted(keys, table.keyWidth))
    const known = new Map(stored.map((cells) => [cells.slice(0, table.keyWidth).join(' '), storedRowOf(table, cells)]))
    const rows = plan.moves.map((move): Row => {
      const row = known.get(keyOf(group.name, move).join(' '))
      if (row !== undefined && row['next'] !== move.from) throw new Conflict(`${group.name} has read on meanwhile.`)
      const began = row?.['began_at'] ?? beginningText(move.first)
      const { to, generation, incarnation } = move
      return [...keyOf(group.name, move), Number(row?.['version'] ?? 0) + 1, to, generation, incarnation, began]
    })
    const deed = {
      id: asker.newId(),
      at: desk.now(),
      principal,
      role,
      action: 'group.offsets',
      target: group.name,
      reason,
      details: { moves: plan.moves.map(moveView) },
    }
    const cursors = { table, mode: 'versioned' as const, rows: sorted(rows, table.keyWidth) }
    await transaction.commit(planOf(registry, [cursors, ...auditWrites([deed])], desk.now()))
  } finally {
    await transaction.release()
  }
  desk.runtimes.find(({ options }) => options.store === store)?.changedByHand(CURSOR_NEWS)
}

function keyOf(group: string, { topic, partition, source }: OffsetMove): readonly [string, string, number, string] {
  return [group, topic, partition, source]
}
