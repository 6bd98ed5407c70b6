// Orders over HTTP: what bodies may say, what answers show, what waiting changes.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Refusal } from '../../kernel/refuse.ts'
import type { Reply } from '../../kernel/route.ts'
import { calling } from '../../testing/calling.ts'
import type { Selected, World } from '../../testing/calling.ts'
import { clientId, lamp, rug, shop } from '../../testing/example-order.ts'
import { TEST_NOW, holding } from '../../testing/handle.ts'
import type { Holding } from '../../testing/handle.ts'
import * as contract from './contract.ts'
import { order } from './order.ts'
import { orders } from './service.ts'

const refuses = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code
const body = {
  clientId,
  items: [
    { sku: 'LAMP', quantity: 2 },
    { productId: rug.productId, quantity: 1, price: 99.99 },
  ],
}
type View = Record<string, unknown> & { orderId: string; returns: { returnId: string }[] }
const viewOf = (reply: Reply) => reply.body as View

function tell(documents: Holding, command: { type: string; data: unknown }) {
  const handler = order.handlers.find(({ message }) => message.type === command.type)
  assert.ok(handler !== undefined)
  documents.handle(handler, command)
}

/** A shop, and what happens to the order that a command named last while its caller waits. */
function opened(meanwhile: (documents: Holding, orderId: string) => void = () => {}, world: World = {}) {
  const documents = holding(shop)
  const lastOrder = () => (opening.said.at(-1)?.data as { orderId?: string } | undefined)?.orderId ?? ''
  const opening = calling(orders, { documents, meanwhile: () => meanwhile(documents, lastOrder()), ...world })
  const place = (change: object = {}, call: object = {}) =>
    opening.call('POST', '/v1/orders', { body: { ...body, ...change }, ...call })
  return { ...opening, place }
}

const confirm = (documents: Holding, orderId: string) => {
  tell(documents, contract.MarkOrderPaid({ orderId }))
  tell(documents, contract.ConfirmOrder({ orderId }))
}

suite('placing', () => {
  test('answers 201 with where the order is and all of it', async () => {
    const { place, call } = opened()
    const reply = await place({ orderedAt: '2010-12-01T08:26:00Z', reference: 'R-1' })
    const { orderId, ...view } = viewOf(reply)
    assert.equal(reply.status, 201)
    assert.equal(reply.headers?.['location'], `/v1/orders/${orderId}`)
    assert.deepEqual(view, {
      id: orderId,
      clientId,
      status: 'PENDING',
      currency: 'EUR',
      items: [
        { sku: 'LAMP', productId: lamp.productId, name: 'Lamp', quantity: 2, price: '10.00', lineTotal: '20.00' },
        { sku: 'RUG', productId: rug.productId, name: 'Rug', quantity: 1, price: '99.99', lineTotal: '99.99' },
      ],
      itemsCount: 2,
      subtotal: '119.99',
      tax: '0.00',
      shipping: '0.00',
      total: '119.99',
      payments: [{ method: 'card', amount: '119.99' }],
      priced: 'catalog',
      reference: 'R-1',
      source: 'tester',
      returns: [],
      orderedAt: '2010-12-01T08:26:00.000Z',
      placedAt: new Date(TEST_NOW).toISOString(),
      updatedAt: new Date(TEST_NOW).toISOString(),
    })
    assert.deepEqual((await call('GET', `/v1/orders/${orderId.toUpperCase()}`)).body, reply.body)
  })

  test('the body of a Portuguese shop is taken as it is', async () => {
    const { place } = opened()
    const items = [{ productId: lamp.productId, quantity: 10, price: 10 }]
    const view = viewOf(await place({ items, total: 100, payments: [{ typePaymentId: 1, amount: 100 }] }))
    assert.deepEqual(view['payments'], [{ method: 'card', amount: '100.00' }])
    for (const [at, method] of ['card', 'pix', 'boleto', 'transfer', 'manual'].entries()) {
      const [payment] = viewOf(await place({ payments: [{ typePaymentId: at + 1 }] }))['payments'] as {
        method: string
      }[]
      assert.equal(payment?.method, method)
    }
  })

  test('only importers and administrators may quote', async () => {
    const quoted = { items: [{ sku: 'LAMP', quantity: 1, price: '9.00' }] }
    for (const role of ['clerk', 'operator'] as const) {
      await assert.rejects(opened().place(quoted, { role }), refuses('PRICE_MISMATCH'))
    }
    for (const role of ['importer', 'admin'] as const) {
      assert.equal(viewOf(await opened().place(quoted, { role }))['priced'], 'quoted')
    }
  })

  test('a caller who waits gets the order as it ended, who does not as it was placed', async () => {
    const { place } = opened(confirm)
    const waited = await place({}, { prefersWait: true })
    assert.deepEqual([waited.status, viewOf(waited)['status']], [201, 'CONFIRMED'])
    assert.equal(viewOf(await place())['status'], 'PENDING')
  })

  test('garbage does not pass the door', async () => {
    const { place } = opened()
    const item = { sku: 'LAMP', quantity: 1 }
    const wrong: object[] = [
      { clientId: 'x' },
      { clientid: clientId },
      { items: 'x' },
      { items: [{ quantity: 1 }] },
      { items: [{ ...item, qty: 1 }] },
      ...[0, -1, 1.5, 2 ** 31, '1', null].map((quantity) => ({ items: [{ ...item, quantity }] })),
      ...[-1, '-1', '1e3', 'x', '', null].map((price) => ({ items: [{ ...item, price }] })),
      { items: Array.from({ length: 501 }, () => item) },
      { payments: [{ amount: 1 }] },
      { payments: [{ method: 'card', typePaymentId: 1 }] },
      { payments: [{ typePaymentId: 6 }] },
      { reference: 'a\u0000' },
      { reference: '\ud800' },
      { orderedAt: '2010-02-30T00:00:00Z' },
      { orderedAt: 5 },
      { currency: 'eur' },
    ]
    for (const change of wrong) {
      await assert.rejects(place(change), { name: 'ZodError' }, JSON.stringify(change))
    }
  })
})

suite('asking for a status', () => {
  const patched = (status: string, call: object = {}) => ({ body: { status }, ...call })

  test('a cancellation is 202 until it is done, and names who asked', async () => {
    for (const [role, reason] of [
      ['clerk', 'CLIENT'],
      ['operator', 'OPERATOR'],
    ] as const) {
      const { place, call, documents } = opened()
      const { orderId } = viewOf(await place())
      const path = `/v1/orders/${orderId}`
      const asked = await call('PATCH', path, patched('CANCELADO', { role }))
      assert.equal(asked.status, 202)
      assert.equal(viewOf(asked)['cancelling'], reason)
      tell(documents, contract.CancelOrder({ orderId, reason }))
      const done = await call('PATCH', path, patched('CANCELLED', { role }))
      assert.deepEqual([done.status, viewOf(done)['status'], viewOf(done)['reason']], [200, 'CANCELLED', reason])
    }
  })

  test('a caller who waits hears how it ended, also when the confirmation came first', async () => {
    const cancel = (documents: Holding, orderId: string) =>
      tell(documents, contract.CancelOrder({ orderId, reason: 'CLIENT' }))
    const { place, call } = opened(cancel)
    const { orderId } = viewOf(await place())
    const done = await call('PATCH', `/v1/orders/${orderId}`, patched('CANCELLED', { prefersWait: true }))
    assert.deepEqual([done.status, viewOf(done)['status']], [200, 'CANCELLED'])
  })

  test('PAGO settles a manual payment, and is no error where the order is paid already', async () => {
    const { place, call, documents } = opened()
    const { orderId } = viewOf(await place({ payments: [{ method: 'manual' }] }))
    assert.equal((await call('PATCH', `/v1/orders/${orderId}`, patched('PAGO'))).status, 202)
    confirm(documents, orderId)
    assert.equal((await call('PATCH', `/v1/orders/${orderId}`, patched('PAGO'))).status, 200)
  })

  test('what can not be asked for is refused', async () => {
    const { place, call } = opened()
    const { orderId } = viewOf(await place())
    const path = `/v1/orders/${orderId}`
    await assert.rejects(call('PATCH', path, patched('PAID')), refuses('ORDER_TRANSITION'))
    for (const status of ['PENDENTE', 'CONFIRMED']) {
      await assert.rejects(call('PATCH', path, patched(status)), refuses('ORDER_TRANSITION'))
    }
    await assert.rejects(call('PATCH', path, patched('FALHA', { role: 'clerk' })), refuses('OPERATOR_ONLY'))
    await assert.rejects(call('PATCH', path, patched('FALHA')), refuses('GIVE_UP_TOO_EARLY'))
    await assert.rejects(call('PATCH', path, patched('SHIPPED')), { name: 'ZodError' })
    await assert.rejects(call('PATCH', `/v1/orders/${clientId}`, patched('PENDING')), refuses('ORDER_NOT_FOUND'))
  })

  test('an order that needs a person says so, and an operator gives it up', async () => {
    const { place, call, documents } = opened()
    const { orderId } = viewOf(await place())
    tell(documents, contract.FlagOrder({ orderId, steps: ['pay'] }))
    assert.deepEqual(viewOf(await call('GET', `/v1/orders/${orderId}`))['needsPerson'], ['pay'])
    const done = await call('PATCH', `/v1/orders/${orderId}`, patched('FALHA', { role: 'operator' }))
    assert.deepEqual([done.status, viewOf(done)['status']], [200, 'FAILED'])
  })
})

suite('returns', () => {
  test('are made, shown with the order, and read', async () => {
    const { place, call, documents } = opened()
    const { orderId } = viewOf(await place())
    confirm(documents, orderId)
    const items = [{ sku: 'LAMP', quantity: 1 }]
    const made = await call('POST', `/v1/orders/${orderId}/returns`, { body: { items, reference: 'C-1' } })
    const view = made.body as { returnId: string; amount: string }
    assert.deepEqual([made.status, view.amount], [201, '10.00'])
    assert.equal(made.headers?.['location'], `/v1/orders/${orderId}/returns/${view.returnId}`)
    assert.deepEqual((await call('GET', `/v1/orders/${orderId}/returns/${view.returnId}`)).body, view)
    assert.deepEqual(viewOf(await call('GET', `/v1/orders/${orderId}`)).returns, [view])
    const unknown = `/v1/orders/${orderId}/returns/${clientId}`
    await assert.rejects(call('GET', unknown), refuses('RETURN_NOT_FOUND'))
  })

  test('a caller who waits gets the return as it ended', async () => {
    const { place, call, documents } = opened((documents, orderId) => {
      const { returns } = documents.state(order.at(orderId)).state
      for (const returnId of Object.keys(returns)) tell(documents, contract.CompleteReturn({ orderId, returnId }))
    })
    const { orderId } = viewOf(await place())
    const post = () =>
      call('POST', `/v1/orders/${orderId}/returns`, {
        body: { items: [{ sku: 'LAMP', quantity: 1 }] },
        prefersWait: true,
      })
    await assert.rejects(post(), refuses('RETURN_NOT_POSSIBLE'))
    confirm(documents, orderId)
    assert.equal(((await post()).body as { status: string }).status, 'COMPLETED')
  })
})

suite('lists and stories', () => {
  test('the filters, the page and its order become one statement', async () => {
    const asked: Selected[] = []
    const row = {
      order_id: 'b',
      client_id: clientId,
      status: 'PAID',
      reason: null,
      total: '1.00',
      currency: 'EUR',
      units: 1,
      reference: null,
      source: 's',
      flagged: 0,
      placed_at: 5,
      ordered_at: 4,
      updated_at: 6,
    }
    const { call } = opened(undefined, {
      rows: (selected) => {
        asked.push(selected)
        return [row, { ...row, order_id: 'a' }]
      },
    })
    const query = { clientId, status: 'PAGO', from: '2026-11-21', to: '2026-11-22T00:00:00+01:00', limit: '1' }
    const first = (await call('GET', '/v1/orders', { query })).body as { items: unknown[]; next: string }
    assert.deepEqual(first.items, [
      {
        orderId: 'b',
        clientId,
        status: 'PAID',
        total: '1.00',
        currency: 'EUR',
        units: 1,
        source: 's',
        needsPerson: false,
        placedAt: '1970-01-01T00:00:00.005Z',
        orderedAt: '1970-01-01T00:00:00.004Z',
        updatedAt: '1970-01-01T00:00:00.006Z',
      },
    ])
    await call('GET', '/v1/orders', { query: { after: first.next } })
    const where = 'WHERE client_id = ? AND status = ? AND placed_at >= ? AND placed_at < ?'
    const order = 'ORDER BY placed_at DESC, order_id DESC LIMIT ?'
    assert.deepEqual(asked, [
      {
        sql: `SELECT * FROM {order_list} ${where} ${order}`,
        values: [clientId, 'PAID', Date.UTC(2026, 10, 21), Date.UTC(2026, 10, 21, 23), 2],
      },
      { sql: `SELECT * FROM {order_list} WHERE (placed_at, order_id) < (?, ?) ${order}`, values: [5, 'b', 51] },
    ])
  })

  test('a story is told of orders that exist', async () => {
    const entry = { at: 5, service: 'orders', what: 'event', name: 'OrderPlaced' } as const
    const { place, call } = opened(undefined, { story: [entry] })
    const { orderId } = viewOf(await place())
    const story = await call('GET', `/v1/orders/${orderId}/story`)
    assert.deepEqual(story.body, {
      orderId,
      status: 'PENDING',
      entries: [{ ...entry, at: '1970-01-01T00:00:00.005Z' }],
    })
    await assert.rejects(call('GET', `/v1/orders/${clientId}/story`), refuses('ORDER_NOT_FOUND'))
  })
})
