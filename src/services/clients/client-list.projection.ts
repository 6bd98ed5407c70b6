// The list of clients, in the order in which they registered: their ids are UUIDv7.
import { projection } from '../../kernel/projection.ts'
import { ClientChanged, ClientRegistered } from './contract.ts'

export const clientList = projection('client_list', {
  key: ['client_id'],
  columns: { client_id: 'text', name: 'text', email: 'text' },
  indexes: [['email']],
  folds: (fold) =>
    [ClientRegistered, ClientChanged].map((event) =>
      fold(
        event,
        ({ clientId }) => [clientId],
        (_, { clientId, name, email }) => ({ client_id: clientId, name, email }),
      ),
    ),
})
