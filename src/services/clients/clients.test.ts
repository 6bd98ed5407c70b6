// Clients: who may register, what a change replaces, which tax ids are refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Refusal } from '../../kernel/refuse.ts'
import { calling } from '../../testing/calling.ts'
import { onBothStores } from '../../testing/projected.ts'
import { clientList } from './client-list.projection.ts'
import { ClientRegistered } from './contract.ts'
import { clients } from './service.ts'
import { isTaxIdPlausible } from './tax-id.ts'

const joao = { name: 'João', email: 'joao@test.com', phone: '11999999999', cpf: '123.456.789-09' }
const refuses = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

test('a client is registered, read and changed as a whole', async () => {
  const { call, said } = calling(clients)
  const created = await call('POST', '/v1/clients', { body: joao })
  const { clientId } = created.body as { clientId: string }
  assert.equal(created.status, 201)
  assert.equal(created.headers?.['location'], `/v1/clients/${clientId}`)
  const read = await call('GET', `/v1/clients/${clientId}`)
  const { cpf, ...details } = joao
  assert.deepEqual(read, {
    status: 200,
    body: { id: clientId, clientId, ...details, taxId: cpf, addresses: [] },
    headers: { etag: '"1"' },
  })
  const changed = await call('PUT', `/v1/clients/${clientId}`, {
    body: { name: 'J', email: 'j@test.com' },
    ifMatch: '"1"',
  })
  assert.deepEqual(changed.body, { id: clientId, clientId, name: 'J', email: 'j@test.com', addresses: [] })
  assert.deepEqual(
    said.map(({ type }) => type),
    ['ClientRegistered', 'ClientChanged'],
  )
})

test('a change over somebody else’s change is refused', async () => {
  const { call } = calling(clients)
  const { clientId } = (await call('POST', '/v1/clients', { body: joao })).body as { clientId: string }
  const change = (ifMatch: string) => call('PUT', `/v1/clients/${clientId}`, { body: joao, ifMatch })
  await change('"1"')
  await assert.rejects(change('"1"'), refuses('CLIENT_CHANGED'))
  await assert.rejects(change('garbage'), refuses('CLIENT_CHANGED'))
  await change('*')
})

test('an id is taken once, and an unknown one is not found', async () => {
  const { call } = calling(clients)
  const clientId = '00000000-0000-7000-8000-00000000abcd'
  await call('POST', '/v1/clients', { body: { clientId, ...joao } })
  await assert.rejects(call('POST', '/v1/clients', { body: { clientId, ...joao } }), refuses('CLIENT_EXISTS'))
  const other = '/v1/clients/00000000-0000-7000-8000-00000000ffff'
  await assert.rejects(call('GET', other), refuses('CLIENT_NOT_FOUND'))
  await assert.rejects(call('PUT', other, { body: joao }), refuses('CLIENT_NOT_FOUND'))
})

test('a mistyped CPF is refused under either of its names', async () => {
  const { call } = calling(clients)
  const { cpf: _, ...rest } = joao
  for (const wrong of [{ taxId: '123.456.789-08' }, { cpf: '12345678901' }, { cpf: '11111111111' }]) {
    await assert.rejects(call('POST', '/v1/clients', { body: { ...rest, ...wrong } }), refuses('TAX_ID_INVALID'))
  }
})

test('a field that nobody knows, and text that no database keeps, are refused at the door', async () => {
  const { call } = calling(clients)
  for (const wrong of [{ fone: '1' }, { name: 'a\u0000b' }, { name: 'a\ud800' }, { email: 'no' }, { name: ' ' }]) {
    await assert.rejects(call('POST', '/v1/clients', { body: { ...joao, ...wrong } }), { name: 'ZodError' })
  }
})

test('published CPFs are plausible, and tax ids of other countries are none of our business', () => {
  for (const cpf of ['123.456.789-09', '12345678909', '529.982.247-25', '11144477735'])
    assert.ok(isTaxIdPlausible(cpf), cpf)
  for (const other of ['', 'B12345678', 'DE 86095742719', '123.456.78909', '1234567890', 'ESX1234567X']) {
    assert.ok(isTaxIdPlausible(other), other)
  }
})

test('no CPF survives one wrong digit', () => {
  const valid = '52998224725'
  const slips = fc.record({ at: fc.integer({ min: 0, max: 10 }), by: fc.integer({ min: 1, max: 9 }) })
  fc.assert(
    fc.property(slips, ({ at, by }) => {
      const digits = Array.from(valid, Number)
      digits[at] = ((digits[at] ?? 0) + by) % 10
      return !isTaxIdPlausible(digits.join(''))
    }),
  )
})

test('the list pages through clients in the order of their ids, on both databases', async () => {
  const registered = ['c', 'a', 'b'].map((last) =>
    ClientRegistered({
      clientId: `00000000-0000-7000-8000-00000000000${last}`,
      name: 'N',
      email: `${last}@test.com`,
      addresses: [],
    }),
  )
  await onBothStores('clients', new Map([[clientList, registered]]), async (rows) => {
    const { call } = calling(clients, { rows: ({ sql, values }) => rows(sql, values) })
    const list = async (query: Record<string, string>) => {
      const { body } = await call('GET', '/v1/clients', { query })
      const { items, next } = body as { items: { clientId: string; email: string }[]; next: string | null }
      return { next, found: items.map(({ email }) => email[0]).join('') }
    }
    const first = await list({ limit: '2' })
    assert.equal(first.found, 'ab')
    assert.deepEqual(await list({ limit: '2', after: first.next ?? '' }), { found: 'c', next: null })
    assert.equal((await list({ email: 'b@test.com' })).found, 'b')
  })
})
