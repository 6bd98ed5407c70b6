// Clients over HTTP.
import { z } from 'zod'
import { get, post, put } from '../../kernel/route.ts'
import type { Reply, Request } from '../../kernel/route.ts'
import { etagOf, versionOf } from '../../kernel/inputs.ts'
import { cutPage, pageQuery, pageShape } from '../../kernel/page.ts'
import { refuse } from '../../kernel/refuse.ts'
import { id, text } from '../../kernel/shapes.ts'
import type { Client } from './client.ts'
import { client } from './client.ts'
import { ChangeClient, RegisterClient, clientDetails } from './contract.ts'

const body = {
  name: clientDetails.name.describe('Full name.'),
  email: clientDetails.email.describe('Where confirmations go.'),
  phone: clientDetails.phone.describe('Any notation.'),
  taxId: clientDetails.taxId.describe(
    'Eleven digits are a CPF, whose check digits are verified; other forms are taken.',
  ),
  cpf: text(40).optional().describe('Another name of taxId.'),
  addresses: clientDetails.addresses.default([]).describe('The first one is where orders go that name none.'),
  webhook: clientDetails.webhook.describe("The client's own https address that notifications may be sent to."),
  fallbackChannel: clientDetails.fallbackChannel.describe(
    'What is used when no e-mail gets through; unless given, the webhook where there is one, else SMS to the phone.',
  ),
}

const ClientAnswer = z.object({ clientId: id, id: id.describe('The same as clientId.'), ...clientDetails })
const ClientRow = z.object({ clientId: id, name: z.string(), email: z.string() })
const params = z.object({ clientId: id })

type ClientBody = z.output<z.ZodObject<typeof body>>

function detailsOf(clientId: string, { cpf, taxId, ...rest }: ClientBody) {
  const given = taxId ?? cpf
  return { clientId, ...rest, ...(given === undefined ? {} : { taxId: given }) }
}

/** @throws {Refusal} CLIENT_NOT_FOUND */
function answerOf({ details, version }: Client, clientId: string, status = 200): Reply {
  if (details === undefined) refuse(true, 'CLIENT_NOT_FOUND', { clientId })
  return { status, body: { id: clientId, ...details }, headers: etagOf(version) }
}

const registering = post('/v1/clients', {
  summary: 'Register a client.',
  role: 'clerk',
  body: z.strictObject({ clientId: id.optional().describe('Made by the server unless given.'), ...body }),
  answers: { 201: ClientAnswer },
  codes: ['CLIENT_EXISTS', 'TAX_ID_INVALID'],
  handle: ({ body: { clientId = '', ...given }, newId, submit }) => {
    const chosen = clientId === '' ? newId() : clientId
    return submit(RegisterClient(detailsOf(chosen, given)), (held) => {
      const reply = answerOf(held.get(client.at(chosen)), chosen, 201)
      return { ...reply, headers: { ...reply.headers, location: `/v1/clients/${chosen}` } }
    })
  },
})

const changing = put('/v1/clients/:clientId', {
  summary: 'Change a client as a whole; If-Match with the ETag makes sure that nobody changed it in between.',
  role: 'clerk',
  params,
  body: z.strictObject(body),
  answers: { 200: ClientAnswer },
  codes: ['CLIENT_NOT_FOUND', 'CLIENT_CHANGED', 'TAX_ID_INVALID'],
  handle: ({ params: { clientId }, body, ifMatch, submit }) => {
    const expectedVersion = versionOf(ifMatch)
    const expected = expectedVersion === undefined ? {} : { expectedVersion }
    return submit(ChangeClient({ ...detailsOf(clientId, body), ...expected }), (held) =>
      answerOf(held.get(client.at(clientId)), clientId),
    )
  },
})

const reading = get('/v1/clients/:clientId', {
  summary: 'Read a client.',
  role: 'reader',
  params,
  answers: { 200: ClientAnswer },
  codes: ['CLIENT_NOT_FOUND'],
  handle: async ({ params: { clientId }, read }) => answerOf(await read.state(client.at(clientId)), clientId),
})

interface Row {
  readonly client_id: string
  readonly name: string
  readonly email: string
}

const query = z.strictObject({
  ...pageQuery(['string']),
  email: z.string().max(254).optional().describe('Only this e-mail.'),
})

const listing = get('/v1/clients', {
  summary: 'List clients in the order in which they registered.',
  role: 'reader',
  query,
  answers: { 200: pageShape(ClientRow) },
  handle: async (request: Request<unknown, z.output<typeof query>, unknown>) => {
    const { after, limit, email } = request.query
    const [last = ''] = after ?? []
    const filter = email === undefined ? '' : 'AND email = ?'
    const rows = await request.read.rows<Row>(
      `SELECT client_id, name, email FROM {client_list} WHERE client_id > ? ${filter} ORDER BY client_id LIMIT ?`,
      [last, ...(email === undefined ? [] : [email]), limit + 1],
    )
    const { items, next } = cutPage(rows, limit, ({ client_id }) => [client_id])
    return {
      status: 200,
      body: { items: items.map(({ client_id, ...row }) => ({ clientId: client_id, ...row })), next },
    }
  },
})

export const clientRoutes = [registering, changing, reading, listing]
