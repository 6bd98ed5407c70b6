// Dead letters over HTTP, for operators: list them and their causes, look into one, discard one.
import { z } from 'zod'
import { pageQuery, pageShape } from '../../kernel/page.ts'
import { Refusal } from '../../kernel/refuse.ts'
import type { Role, Route } from '../../kernel/route.ts'
import { get, post } from '../../kernel/route.ts'
import type { Service } from '../../kernel/service.ts'
import { id } from '../../kernel/shapes.ts'
import type { RecordBody } from '../log/record.ts'
import type { DeadLetter } from '../parking/dead-letter.ts'
import type { Decision } from '../parking/dead-letter-office.ts'
import { filterInput, filterOf, LETTER_STATUSES } from './letter-filter.ts'
import { CauseAnswer, causeView, LetterAnswer, letterView, ListedLetterAnswer, listedView } from './letter-views.ts'
import type { FoundLetter, LetterPlace } from './letters.ts'
import { findLetter, listCauses, listLetters } from './letters.ts'
import { findKey } from './parked-keys.ts'
import { reasonInput } from './redrive-views.ts'

/** What the routes ask of the running application. */
export interface LetterDesk {
  readonly services: readonly Service[]
  readonly letterPlaces: readonly LetterPlace[]
  discard(service: string, decision: Decision): Promise<DeadLetter | undefined>
}

const params = z.object({ id })
const status = z
  .enum([...LETTER_STATUSES, 'all'])
  .default('dead')
  .describe('Those that wait for a decision, unless told.')

export function letterRoutes(desk: LetterDesk): readonly Route[] {
  const { letterPlaces: places } = desk
  const look = async (letterId: string) => viewOf(desk, await foundIn(places, letterId))
  return [
    get('/v1/ops/dead-letters', {
      summary: 'List dead letters, the youngest death first, without their bodies.',
      role: 'operator',
      query: z.object({ ...filterInput, status, ...pageQuery(['number', 'string']) }),
      answers: { 200: pageShape(ListedLetterAnswer) },
      handle: async ({ query: { after, limit, status: asked, ...filter } }) => {
        const page = await listLetters(places, { ...filterOf(filter), ...statusOf(asked) }, { after, limit })
        return { status: 200, body: { ...page, items: page.items.map(listedView) } }
      },
    }),
    get('/v1/ops/dead-letters/causes', {
      summary: 'List the causes of dead letters: those of one handler and code together, the most frequent first.',
      role: 'operator',
      query: z.object({ ...filterInput, status }),
      answers: { 200: z.object({ items: z.array(CauseAnswer) }) },
      handle: async ({ query: { status: asked, ...filter } }) => {
        const causes = await listCauses(places, { ...filterOf(filter), ...statusOf(asked) })
        return { status: 200, body: { items: causes.map(causeView) } }
      },
    }),
    get('/v1/ops/dead-letters/:id', {
      summary: 'Look into a dead letter: the record as it was, and what its handler failed with.',
      role: 'operator',
      params,
      answers: { 200: LetterAnswer },
      codes: ['DEAD_LETTER_NOT_FOUND'],
      handle: async ({ params: { id: letterId } }) => ({ status: 200, body: await look(letterId) }),
    }),
    post('/v1/ops/dead-letters/:id/discard', {
      summary: 'Give a dead letter up, with a reason; the messages behind it go on.',
      role: 'operator',
      params,
      body: z.strictObject({ reason: reasonInput }),
      answers: { 200: LetterAnswer },
      codes: ['DEAD_LETTER_NOT_FOUND', 'DEAD_LETTER_DECIDED'],
      handle: async ({ params: { id: letterId }, body: { reason }, principal, role }) => {
        await discardOnce(desk, letterId, { reason, by: { principal, role } })
        return { status: 200, body: await look(letterId) }
      },
    }),
  ]
}

/** Asked twice, the second time finds it done. @throws {Refusal} DEAD_LETTER_NOT_FOUND, DEAD_LETTER_DECIDED */
async function discardOnce(
  desk: LetterDesk,
  letterId: string,
  decision: { readonly reason: string; readonly by: { readonly principal: string; readonly role: Role } },
): Promise<void> {
  const { service } = await foundIn(desk.letterPlaces, letterId)
  if ((await desk.discard(service, { id: letterId, ...decision })) !== undefined) return
  const { status: now } = await foundIn(desk.letterPlaces, letterId)
  if (now !== 'discarded') throw new Refusal('DEAD_LETTER_DECIDED', { status: now })
}

function statusOf(asked: z.output<typeof status>) {
  return asked === 'all' ? {} : { status: asked }
}

/** @throws {Refusal} DEAD_LETTER_NOT_FOUND */
export async function foundIn(places: readonly LetterPlace[], letterId: string): Promise<FoundLetter> {
  const letter = await findLetter(places, letterId)
  if (letter === undefined) throw new Refusal('DEAD_LETTER_NOT_FOUND', { id: letterId })
  return letter
}

async function viewOf({ services, letterPlaces }: LetterDesk, letter: FoundLetter) {
  const key = await findKey(letterPlaces, letter)
  return letterView(letter, { story: storyOf(services, letter), waitingBehind: key?.messages ?? 0 })
}

/**
 * The route that tells the story of the letter's correlation: the one whose path names a field of the message which
 * holds it, as `/v1/orders/:orderId/story` does for everything about an order.
 */
function storyOf(services: readonly Service[], { record }: FoundLetter): string | null {
  const { key, data, correlation = key } = JSON.parse(record) as RecordBody
  const fields = Object(data) as Readonly<Record<string, unknown>>
  for (const { method, path } of services.flatMap(({ routes }) => routes)) {
    const field = method === 'GET' ? /\/:(\w+)\/story$/.exec(path)?.[1] : undefined
    if (field !== undefined && fields[field] === correlation)
      return path.replace(`:${field}`, encodeURIComponent(correlation))
  }
  return null
}
