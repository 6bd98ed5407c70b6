// Products over HTTP.
import { z } from 'zod'
import { amountInput, amountText, etagOf, optionalText, versionOf } from '../../kernel/inputs.ts'
import { cutPage, pageQuery, pageShape } from '../../kernel/page.ts'
import { Refusal, refuse } from '../../kernel/refuse.ts'
import type { Reader, Reply, Request } from '../../kernel/route.ts'
import { get, post, put } from '../../kernel/route.ts'
import { currency, id, quantity, sku, text } from '../../kernel/shapes.ts'
import { AddProduct, ChangeProduct } from './contract.ts'
import type { Product } from './product.ts'
import { product, productAlias } from './product.ts'

/** How long the answer to an added product waits for its stock; inventory needs milliseconds unless it is down. */
const STOCK_VISIBLE_WITHIN_MS = 2000
const DEFAULT_CURRENCY = 'EUR'

const details = {
  name: text(200).describe('What a person calls it.'),
  description: optionalText(5000).default('').describe('Any text.'),
  price: amountInput,
  currency: currency.default(DEFAULT_CURRENCY).describe(`ISO 4217, ${DEFAULT_CURRENCY} unless told.`),
  active: z.boolean().default(true).describe('Whether it can be ordered.'),
}
const ProductAnswer = z.object({
  sku,
  productId: id,
  id: id.describe('The same as productId.'),
  name: z.string(),
  description: z.string(),
  price: z.string(),
  currency: z.string(),
  active: z.boolean(),
})
const ProductRow = ProductAnswer.omit({ id: true, description: true })
const params = z.object({ sku: sku.describe('SKU or product id.') })

/** @throws {Refusal} PRODUCT_NOT_FOUND */
function answerOf({ details, version }: Product, status = 200): Reply {
  if (details === undefined) throw new Refusal('PRODUCT_NOT_FOUND')
  return { status, body: { ...details, id: details.productId }, headers: etagOf(version) }
}

/** The SKU that a path names by itself or by the product's id; a SKU wins where one product's is another's id. */
async function found(read: Reader, skuOrId: string): Promise<Product & { readonly sku: string }> {
  const direct = await read.state(product.at(skuOrId))
  if (direct.version > 0) return { ...direct, sku: skuOrId }
  const alias = await read.state(productAlias.at(skuOrId.toLowerCase()))
  refuse(alias.sku === '', 'PRODUCT_NOT_FOUND', { sku: skuOrId })
  return { ...(await read.state(product.at(alias.sku))), sku: alias.sku }
}

const adding = post('/v1/products', {
  summary: 'Add a product; the answer comes when its opening stock can be sold.',
  role: 'clerk',
  body: z.strictObject({
    sku: sku.optional().describe('Made from the product id unless given.'),
    productId: id.optional().describe('Made by the server unless given.'),
    ...details,
    quantity: quantity.or(z.literal(0)).default(0).describe('Opening stock.'),
  }),
  answers: { 201: ProductAnswer },
  codes: ['SKU_TAKEN', 'PRODUCT_ID_TAKEN', 'PRICE_INVALID'],
  handle: async ({ body, newId, submit, read, waitAtMost }) => {
    const { quantity: openingQuantity, price, productId = newId(), ...given } = body
    const { sku = productId } = given
    const command = AddProduct({ ...given, sku, productId, price: amountText(price), openingQuantity })
    const reply = await submit(command, (held) => {
      const answer = answerOf(held.get(product.at(sku)), 201)
      return { ...answer, headers: { ...answer.headers, location: `/v1/products/${sku}` } }
    })
    // A repeated request is answered for the product that the first one made.
    const made = product.at((reply.body as z.output<typeof ProductAnswer>).sku)
    await waitAtMost(STOCK_VISIBLE_WITHIN_MS, async () => (await read.state(made)).stocked)
    return reply
  },
})

const changing = put('/v1/products/:sku', {
  summary: 'Change a product as a whole; If-Match with the ETag makes sure that nobody changed it in between.',
  role: 'clerk',
  params,
  body: z.strictObject(details),
  answers: { 200: ProductAnswer },
  codes: ['PRODUCT_NOT_FOUND', 'PRODUCT_CHANGED', 'PRICE_INVALID'],
  handle: async ({ params, body, ifMatch, submit, read }) => {
    const { sku } = await found(read, params.sku)
    const expectedVersion = versionOf(ifMatch)
    return submit(ChangeProduct({ ...body, sku, price: amountText(body.price), expectedVersion }), (held) =>
      answerOf(held.get(product.at(sku))),
    )
  },
})

const reading = get('/v1/products/:sku', {
  summary: 'Read a product by its SKU or its id.',
  role: 'reader',
  params,
  answers: { 200: ProductAnswer },
  codes: ['PRODUCT_NOT_FOUND'],
  handle: async ({ params, read }) => answerOf(await found(read, params.sku)),
})

interface Row {
  readonly sku: string
  readonly product_id: string
  readonly name: string
  readonly price: string
  readonly currency: string
  readonly active: number
}

const query = z.strictObject(pageQuery(['string']))

const listing = get('/v1/products', {
  summary: 'List products by SKU.',
  role: 'reader',
  query,
  answers: { 200: pageShape(ProductRow) },
  handle: async ({ query: { after, limit }, read }: Request<unknown, z.output<typeof query>, unknown>) => {
    const [last = ''] = after ?? []
    const rows = await read.rows<Row>(
      'SELECT sku, product_id, name, price, currency, active FROM {product_list} WHERE sku > ? ORDER BY sku LIMIT ?',
      [last, limit + 1],
    )
    const { items, next } = cutPage(rows, limit, ({ sku }) => [sku])
    const products = items.map(({ product_id, active, ...row }) => ({
      ...row,
      productId: product_id,
      active: active === 1,
    }))
    return { status: 200, body: { items: products, next } }
  },
})

export const productRoutes = [adding, changing, reading, listing]
