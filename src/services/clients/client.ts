// A client: registered once, changed as a whole.
import type { DataOf } from '../../kernel/message.ts'
import { entity } from '../../kernel/entity.ts'
import { on } from '../../kernel/handler.ts'
import { refuse } from '../../kernel/refuse.ts'
import { ChangeClient, ClientChanged, ClientRegistered, RegisterClient } from './contract.ts'
import { isTaxIdPlausible } from './tax-id.ts'

/** `version` counts the changes, 0 where nobody is registered; it is the ETag. */
export interface Client {
  readonly version: number
  readonly details?: DataOf<typeof ClientRegistered>
}

export const client = entity<Client>('client', { initial: () => ({ version: 0 }) })

export const registerClient = on(RegisterClient, {
  says: [ClientRegistered],
  loads: ({ clientId }) => [client.at(clientId)],
  handle: (details, held) => {
    const ref = client.at(details.clientId)
    refuse(held.get(ref).version > 0, 'CLIENT_EXISTS', { clientId: details.clientId })
    refuse(!isTaxIdPlausible(details.taxId ?? ''), 'TAX_ID_INVALID')
    held.put(ref, { version: 1, details })
    return ClientRegistered(details)
  },
})

export const changeClient = on(ChangeClient, {
  says: [ClientChanged],
  loads: ({ clientId }) => [client.at(clientId)],
  handle: ({ expectedVersion, ...details }, held) => {
    const ref = client.at(details.clientId)
    const { version } = held.get(ref)
    refuse(version === 0, 'CLIENT_NOT_FOUND', { clientId: details.clientId })
    refuse(expectedVersion !== undefined && expectedVersion !== version, 'CLIENT_CHANGED', { version })
    refuse(!isTaxIdPlausible(details.taxId ?? ''), 'TAX_ID_INVALID')
    held.put(ref, { version: version + 1, details })
    return ClientChanged(details)
  },
})
