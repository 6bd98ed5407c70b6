// Scaling over HTTP, for operators: how many partitions topics have, and giving them more.
import { z } from 'zod'
import { text } from '../../kernel/shapes.ts'
import type { CodeTable } from '../../kernel/refuse.ts'
import type { Route } from '../../kernel/route.ts'
import { get, post } from '../../kernel/route.ts'
import { MAX_REASON_LENGTH } from '../../kernel/saga-acts.ts'
import type { Scaling } from './scaling.ts'

/** SQLite's log counts no further, and a lease is kept for each. */
export const MAX_PARTITIONS = 256

export const scalingCodes = {
  TOPIC_NOT_FOUND: { status: 404, title: 'No contract declares such a topic: `lonja topics` lists them.' },
  SCALING_SHRINKS: { status: 409, title: 'Topics only grow: some have more partitions already, and nothing changed.' },
  SCALING_UNDER_WAY: {
    status: 409,
    title:
      'The last scaling is not over: groups in details have not passed its barriers. Wait, or mend what they wait for.',
  },
  SCALING_GROUP_STANDS: {
    status: 409,
    title: 'A group stands still at these topics, and would hold all new partitions: mend or resume it first.',
  },
  SCALING_RELAY_BEHIND: { status: 409, title: 'Too much waits for Kafka: let the relay catch up first.' },
  SCALING_KAFKA_FIRST: {
    status: 409,
    title: 'Kafka has fewer partitions of these topics: `lonja topics scale` makes them first where it is told --log.',
  },
} as const satisfies CodeTable

const Place = {
  topic: z.string(),
  source: z.string().describe('The service that appends.'),
  generation: z.int(),
}
const ScalingAnswer = z.object({
  dryRun: z.boolean(),
  scaled: z.array(z.object({ ...Place, from: z.int(), to: z.int() })).describe('Empty where all had as many already.'),
  elsewhere: z
    .array(z.string())
    .describe('Services that append to these topics and whose database is not open here: ask their server too.'),
})
const body = z.strictObject({
  partitions: z.int().min(1).max(MAX_PARTITIONS).describe('How many each of the topics shall have.'),
  topics: z.array(z.string()).max(MAX_PARTITIONS).default([]).describe('All, where none is named.'),
  reason: text(MAX_REASON_LENGTH).describe('Why, for the audit and for whoever wonders; no personal data.'),
  dryRun: z.boolean().default(false).describe('Only says what would happen.'),
})

/** The routes of scaling. */
export function scalingRoutes(scaling: Scaling): readonly Route[] {
  return [
    get('/v1/ops/topics', {
      summary: 'List the topics with the partitions that they have by now; a contract names the first count only.',
      role: 'operator',
      answers: {
        200: z.object({ items: z.array(z.object({ ...Place, partitions: z.int(), declared: z.int() })) }),
      },
      handle: async () => ({
        status: 200,
        body: {
          items: (await scaling.topics()).map(({ topic, source, generation, from, declared }) => {
            return { topic, source, generation, partitions: from, declared }
          }),
        },
      }),
    }),
    post('/v1/ops/topics/scale', {
      summary:
        "Give topics more partitions, each key's order kept: a group handles what lies behind the barriers when it " +
        'has passed all of them. Asked again, it changes nothing.',
      role: 'operator',
      body,
      answers: { 200: ScalingAnswer },
      codes: Object.keys(scalingCodes),
      handle: async ({ body: asked, principal, role }) => {
        const { scaled, elsewhere } = await scaling.scale({ ...asked, principal, role })
        return { status: 200, body: { dryRun: asked.dryRun, scaled, elsewhere } }
      },
    }),
  ]
}
