// Inventory at a glance: stock per SKU and location, and the holds that orders have on it.
import { service } from '../../kernel/service.ts'
import { adjustStock, adjustment, openStock } from './adjust-stock.ts'
import { commitStock, restockOrder } from './commit-stock.ts'
import * as contract from './contract.ts'
import { domainEvents } from './feeds/domain-events.feed.ts'
import { orderPipeline } from './feeds/order-pipeline.feed.ts'
import { expireReservation, releaseStock } from './release-stock.ts'
import { reservation } from './reservation.ts'
import { reserveStock } from './reserve-stock.ts'
import { restockReturn, returnedStock, takeBackReturn } from './returned-stock.ts'
import { adjustStockLevel, listStock, readReservation, readStock } from './routes.ts'
import { stock } from './stock.ts'

export const inventory = service({
  name: 'inventory',
  summary: 'Stock per SKU and location, held for orders all or nothing, with holds that expire by themselves.',
  contract: contract.inventoryContract,
  codes: contract.inventoryCodes,
  publishes: [
    contract.StockReserved,
    contract.StockRefused,
    contract.StockReleased,
    contract.StockCommitted,
    contract.StockCommitRefused,
    contract.OrderRestocked,
    contract.ReturnRestocked,
    contract.ReturnTakenBack,
    contract.ReservationExpired,
    contract.StockAdjusted,
    contract.StockLow,
  ],
  entities: [stock, reservation, returnedStock, adjustment],
  handlers: [
    openStock,
    adjustStock,
    reserveStock,
    releaseStock,
    expireReservation,
    commitStock,
    restockOrder,
    restockReturn,
    takeBackReturn,
  ],
  feeds: [orderPipeline, domainEvents],
  routes: [readStock, listStock, adjustStockLevel, readReservation],
})
