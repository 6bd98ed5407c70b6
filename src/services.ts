// The list of services, one line each.
import type { Service } from './kernel/service.ts'
import { analytics } from './services/analytics/service.ts'
import { catalog } from './services/catalog/service.ts'
import { clients } from './services/clients/service.ts'
import { inventory } from './services/inventory/service.ts'
import { notifications } from './services/notifications/service.ts'
import { orders } from './services/orders/service.ts'
import { payments } from './services/payments/service.ts'
import { shipping } from './services/shipping/service.ts'

export const services: readonly Service[] = [
  clients,
  catalog,
  orders,
  inventory,
  payments,
  shipping,
  notifications,
  analytics,
]

/** What can be turned on by name. */
export const feedNames: readonly string[] = [...new Set(services.flatMap(({ feeds }) => feeds.map(({ name }) => name)))]
