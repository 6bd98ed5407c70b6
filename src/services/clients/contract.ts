// What clients publishes and answers: who buys.
import { z } from 'zod'
import { contract, personal } from '../../kernel/message.ts'
import type { CodeTable } from '../../kernel/refuse.ts'
import { id, postalAddress, text } from '../../kernel/shapes.ts'

export const clientsContract = contract('clients')

/** The topic of the feed `domain-events`. */
export const domainUsers = clientsContract.outward('user-events', { partitions: 3, keep: '7 d', compression: 'gzip' })

/** Whether it may be called is found out when it is called: names can point elsewhere by then. */
const webAddress = z
  .url({ protocol: /^https?$/ })
  .max(500)
  .refine((url) => !/^[^:]*:\/\/[^/?#]*@/.test(url), 'write the address without a user and password')

/** How a client may be told what no e-mail could tell him. */
export const FALLBACK_CHANNELS = ['sms', 'webhook'] as const

export const clientDetails = {
  name: personal(text(200)),
  email: personal(z.email().max(254)),
  phone: personal(text(40)).optional(),
  taxId: personal(text(40)).optional(),
  addresses: z.array(personal(postalAddress)).max(20),
  webhook: personal(webAddress).optional(),
  fallbackChannel: z.enum(FALLBACK_CHANNELS).optional(),
}

export const RegisterClient = clientsContract.command('RegisterClient', {
  key: 'clientId',
  body: { clientId: id, ...clientDetails },
})
/** `expectedVersion` is what the caller saw; without it the change is made whatever happened in between. */
export const ChangeClient = clientsContract.command('ChangeClient', {
  key: 'clientId',
  body: { clientId: id, ...clientDetails, expectedVersion: z.int().optional() },
})
export const ClientRegistered = clientsContract.event('ClientRegistered', {
  key: 'clientId',
  body: { clientId: id, ...clientDetails },
})
export const ClientChanged = clientsContract.event('ClientChanged', {
  key: 'clientId',
  body: { clientId: id, ...clientDetails },
})

export const clientsCodes = {
  CLIENT_NOT_FOUND: { status: 404, title: 'No client has this id. Check it, or register the client first.' },
  CLIENT_EXISTS: {
    status: 409,
    title: 'A client with this id exists already. Read it with GET /v1/clients/:clientId.',
  },
  CLIENT_CHANGED: {
    status: 409,
    title: 'Somebody changed the client in between. Read it again and repeat the change.',
  },
  TAX_ID_INVALID: { status: 422, title: "The tax id's check digits are wrong. Check it for a typing error." },
} as const satisfies CodeTable
