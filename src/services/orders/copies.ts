// What orders keeps of clients and products, so that it judges without asking anybody; and who has a reference.
import { entity } from '../../kernel/entity.ts'
import type { Held, Ref } from '../../kernel/handler.ts'
import { on } from '../../kernel/handler.ts'
import type { DataOf } from '../../kernel/message.ts'
import type { PostalAddress } from '../../kernel/shapes.ts'
import { ProductAdded, ProductChanged } from '../catalog/contract.ts'
import { ClientChanged, ClientRegistered } from '../clients/contract.ts'

export interface ClientCopy {
  /** Empty where no client is known. */
  readonly name: string
  /** Where orders go that name no address. */
  readonly address?: PostalAddress
}

export interface ProductCopy {
  /** Empty where no product is known. */
  readonly sku: string
  readonly productId: string
  readonly name: string
  readonly price: string
  readonly currency: string
  readonly active: boolean
}

export const clientCopy = entity<ClientCopy>('client_copy', { initial: () => ({ name: '' }) })

/** Kept twice, by SKU and by id: an order may name either, and a handler's loads see no more than its message. */
export const productCopy = entity<ProductCopy>('product_copy', {
  initial: () => ({ sku: '', productId: '', name: '', price: '', currency: '', active: false }),
})

/** The prefixes keep a SKU apart from an id that is written the same. */
export function productBySku(sku: string): Ref<ProductCopy> {
  return productCopy.at(`sku ${sku}`)
}

export function productById(productId: string): Ref<ProductCopy> {
  return productCopy.at(`id ${productId}`)
}

/** Which order has a source's reference: what makes an import repeatable. */
export const orderReference = entity<{ readonly orderId: string }>('order_reference', {
  initial: () => ({ orderId: '' }),
})

/** One source's references are no other's; neither part can be read as the other. */
export function referenceOf(source: string, reference: string): Ref<{ readonly orderId: string }> {
  return orderReference.at(`${encodeURIComponent(source)}/${reference}`)
}

function copyClient({ clientId, name, addresses: [address] }: DataOf<typeof ClientRegistered>, held: Held): void {
  held.put(clientCopy.at(clientId), address === undefined ? { name } : { name, address })
}

function copyProduct(product: DataOf<typeof ProductChanged>, held: Held): void {
  const { sku, productId, name, price, currency, active } = product
  for (const ref of [productBySku(sku), productById(productId)]) {
    held.put(ref, { sku, productId, name, price, currency, active })
  }
}

export const copyHandlers = [
  ...[ClientRegistered, ClientChanged].map((event) =>
    on(event, { says: [], loads: ({ clientId }) => [clientCopy.at(clientId)], handle: copyClient }),
  ),
  ...[ProductAdded, ProductChanged].map((event) =>
    on(event, {
      says: [],
      loads: ({ sku, productId }) => [productBySku(sku), productById(productId)],
      handle: copyProduct,
    }),
  ),
]
