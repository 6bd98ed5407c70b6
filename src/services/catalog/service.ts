// The catalog service at a glance: what is sold, and for how much.
import { service } from '../../kernel/service.ts'
import { ProductAdded, ProductChanged, catalogCodes, catalogContract } from './contract.ts'
import { domainEvents } from './feeds/domain-events.feed.ts'
import { addProduct, changeProduct, noteStocked, product, productAlias } from './product.ts'
import { productList } from './product-list.projection.ts'
import { productRoutes } from './routes.ts'

export const catalog = service({
  name: 'catalog',
  summary: 'What is sold, and for how much.',
  contract: catalogContract,
  codes: catalogCodes,
  publishes: [ProductAdded, ProductChanged],
  entities: [product, productAlias],
  handlers: [addProduct, changeProduct, noteStocked],
  projections: [productList],
  feeds: [domainEvents],
  routes: productRoutes,
})
