// The clients service at a glance: who buys.
import { service } from '../../kernel/service.ts'
import { changeClient, client, registerClient } from './client.ts'
import { clientList } from './client-list.projection.ts'
import { ClientChanged, ClientRegistered, clientsCodes, clientsContract } from './contract.ts'
import { domainEvents } from './feeds/domain-events.feed.ts'
import { clientRoutes } from './routes.ts'

export const clients = service({
  name: 'clients',
  summary: 'Who buys: names, addresses, tax ids.',
  contract: clientsContract,
  codes: clientsCodes,
  publishes: [ClientRegistered, ClientChanged],
  entities: [client],
  handlers: [registerClient, changeClient],
  projections: [clientList],
  feeds: [domainEvents],
  routes: clientRoutes,
})
