// The orders service at a glance: an order's life from placed to confirmed, cancelled, returned.
import type { Service } from '../../kernel/service.ts'
import { service } from '../../kernel/service.ts'
import type { CheckoutLimits } from './checkout.saga.ts'
import { CHECKOUT_LIMITS, checkoutWith } from './checkout.saga.ts'
import * as contract from './contract.ts'
import { clientCopy, copyHandlers, orderReference, productCopy } from './copies.ts'
import { domainEvents } from './feeds/domain-events.feed.ts'
import { orderPipeline } from './feeds/order-pipeline.feed.ts'
import { orderStates } from './feeds/order-states.feed.ts'
import { order, orderEvents } from './order.ts'
import { orderList } from './order-list.projection.ts'
import { orderRoutes } from './order-routes.ts'
import { placing } from './placing-routes.ts'
import { returnRoutes } from './return-routes.ts'
import { returns } from './returns.saga.ts'

/** Other limits than the usual ones are for shops whose payments take longer, and for tests. */
export function ordersWith(limits: CheckoutLimits): Service {
  return service({
    name: 'orders',
    summary: 'Orders from placed to confirmed, cancelled or returned.',
    contract: contract.ordersContract,
    codes: contract.ordersCodes,
    publishes: orderEvents,
    aggregates: [order],
    entities: [clientCopy, productCopy, orderReference],
    handlers: copyHandlers,
    sagas: [checkoutWith(limits), returns],
    projections: [orderList],
    feeds: [orderStates, orderPipeline, domainEvents],
    routes: [placing, ...orderRoutes, ...returnRoutes],
  })
}

export const orders = ordersWith(CHECKOUT_LIMITS)
