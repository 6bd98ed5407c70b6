// The relays to Kafka over HTTP, for operators: how each stands, and sending again what Kafka has lost.
import { z } from 'zod'
import { Refusal } from '../../kernel/refuse.ts'
import type { Route } from '../../kernel/route.ts'
import { get, post } from '../../kernel/route.ts'
import { MAX_REASON_LENGTH } from '../../kernel/saga-acts.ts'
import { text } from '../../kernel/shapes.ts'
import type { RelayDesk, RelayStanding } from '../kafka/relay-desk.ts'

const Place = z.object({
  source: z.string(),
  topic: z.string(),
  partition: z.int(),
  first: z.int().describe('The lowest sequence that the log keeps.'),
  next: z.int().describe('The sequence that is appended next.'),
  mark: z.int().nullable().describe('The sequence that is shipped next; null where nothing was shipped yet.'),
  waiting: z.int().describe('Records that wait.'),
  stopped: z.string().nullable().describe('Why nothing more of it is shipped.'),
})
const RelayAnswer = z.object({
  services: z.array(z.string()).describe('Those whose logs lie in the database.'),
  holder: z.string().nullable().describe('The member that ships.'),
  epoch: z.int().describe('Rises with each change of the holder, and when records are sent again.'),
  places: z.array(Place),
})
const ResendBody = z.strictObject({
  topic: z.string().optional().describe('All topics where left out.'),
  partition: z.int().min(0).optional().describe('All partitions where left out.'),
  source: z.string().optional().describe('Only what this service appended.'),
  from: z.union([z.int().min(0), z.literal('first')]).describe('A sequence, or the lowest that the log keeps.'),
  dryRun: z.boolean().default(false).describe('Only tells what would be sent again.'),
  reason: text(MAX_REASON_LENGTH).describe('Why, for the audit; no personal data.'),
})
const ResendAnswer = z.object({
  dryRun: z.boolean(),
  records: z.int(),
  partitions: z.array(
    z.object({ source: z.string(), topic: z.string(), partition: z.int(), from: z.int(), records: z.int() }),
  ),
})

export function relayRoutes(desk: RelayDesk | undefined): readonly Route[] {
  return [
    get('/v1/ops/relay', {
      summary: 'See how the relays to Kafka stand: who ships, how far each partition is, what waits.',
      role: 'operator',
      answers: { 200: z.object({ items: z.array(RelayAnswer) }) },
      handle: async () => ({ status: 200, body: { items: ((await desk?.standing()) ?? []).map(viewOf) } }),
    }),
    post('/v1/ops/relay/resend', {
      summary: 'Send again, from a sequence on, what Kafka has lost; or tell how many records that would be.',
      role: 'operator',
      body: ResendBody,
      answers: { 200: ResendAnswer },
      codes: ['RELAY_NONE', 'RELAY_PLACE_NOT_FOUND', 'RELAY_BELOW_FIRST', 'RELAY_NOT_SHIPPED'],
      handle: async ({ body: { reason, ...request }, principal, role, now, newId }) => {
        if (desk === undefined) throw new Refusal('RELAY_NONE')
        const partitions = await desk.resend(request, { id: newId(), at: now, principal, role, reason })
        const records = partitions.reduce((sum, each) => sum + each.records, 0)
        return { status: 200, body: { dryRun: request.dryRun, records, partitions } }
      },
    }),
  ]
}

function viewOf({ services, holder, epoch, places }: RelayStanding): z.output<typeof RelayAnswer> {
  return {
    services: [...services],
    holder: holder ?? null,
    epoch,
    places: places.map(({ source, topic, partition, first, next, mark = null, stopped = null }) => {
      return { source, topic, partition, first, next, mark, waiting: next - (mark ?? first), stopped }
    }),
  }
}
