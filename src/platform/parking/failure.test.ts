// What is kept of a fault: short, and without anybody's name, whatever the error quoted.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { z } from 'zod'
import { personal } from '../../kernel/message.ts'
import type { LogRecord } from '../log/record.ts'
import { MAX_STACK_BYTES, failureOf } from './failure.ts'

const about = { faultClass: 'transient', handler: 'ClientRegistered' } as const
const schema = z.object({
  clientId: z.string(),
  name: personal(z.string()),
  nickname: personal(z.string()).optional(),
  currency: z.string(),
  addresses: z.array(z.object({ city: personal(z.string()) })),
})

const client = {
  clientId: 'c-1',
  name: 'Ana',
  nickname: 'O"Lobo',
  currency: 'EUR',
  addresses: [{ city: 'Ávila de los "Caballeros"' }],
}

const record: LogRecord = {
  type: 'ClientRegistered',
  key: 'c-1',
  data: client,
  correlation: 'c-1',
  cause: 'http RegisterClient by till',
  traceparent: undefined,
  source: 'clients',
  topic: 'clients.events',
  partition: 0,
  generation: 1,
  incarnation: 1,
  sequence: 7,
  appendedAt: 0,
}

const told = (error: unknown, data: unknown = client) => failureOf(error, { ...record, data }, { ...about, schema })

suite('the message', () => {
  test('loses what is marked as personal, however short it is, and keeps what names nobody', () => {
    const { message } = told(new Error('Ana has no account in EUR; c-1 Ana'))
    assert.equal(message, '… has no account in EUR; c-1 …')
  })

  test('keeps words that only contain a short name', () => {
    assert.equal(told(new Error('Analytics of Ana')).message, 'Analytics of …')
    assert.equal(told(new Error('(a+.$ b'), { ...client, name: 'a+.' }).message, '(…$ b')
  })

  test('loses what was quoted as JSON', () => {
    const { message } = told(new Error(`bad body ${JSON.stringify(client)}`))
    assert.ok(!/Ana|Lobo|Caballeros/.test(message), message)
  })

  test('of a body that its schema refuses tells where it is wrong and what was expected, and no value', () => {
    const strict = z.strictObject({ ...schema.shape, currency: z.enum(['EUR', 'USD']), email: z.email() })
    const body = { ...client, name: 7, currency: 'Ana Lobo', email: 'ana at example', 'Ana Lobo Ruiz': 1 }
    const { error } = strict.safeParse(body)
    const { message, code } = told(error, body)
    assert.equal(code, 'ZodError')
    assert.match(message, /name: invalid_type.*currency: invalid_value.*email: invalid_format.*unrecognized_keys/)
    assert.ok(!/Ana|Lobo|Ruiz/.test(message), message)
  })

  test('loses mail addresses and telephone numbers of others than the body names', () => {
    const { message } = told(new Error('550 no mailbox for luis@example.org, call +34 600 123 456'))
    assert.equal(message, '550 no mailbox for … call …')
  })

  test('is short, and what was thrown without being an error tells its type only', () => {
    assert.equal(told(new Error('x'.repeat(5000))).message.length, 300)
    assert.equal(told('Ana Lobo').message, 'something was thrown that is no error: string')
  })
})

suite('the stack', () => {
  const withStack = (stack: string, message = 'Ana') => Object.assign(new Error(message), { stack })

  test('is cut at eight kilobytes, between two characters', () => {
    const frames = Array.from({ length: 400 }, (_, at) => `    at handle${at} (file:///shop/órdenes/ñandú.ts:${at}:1)`)
    const { stack } = told(withStack(['Error: Ana', ...frames].join('\n')))
    const bytes = Buffer.byteLength(stack)
    assert.ok(bytes <= MAX_STACK_BYTES && bytes > MAX_STACK_BYTES - 4, String(bytes))
    assert.ok(!stack.includes('\uFFFD'))
    assert.match(stack, /^at handle0 \(file/)
  })

  test('has frames only: what the message said over several lines is none, even where it looks like one', () => {
    const message = 'bad client\nat Ana Lobo\n    at ana@example.org'
    const stack = `Error: ${message}\n    at handle (file:///shop/client.ts:1:2)\n    at async Promise.all (index 0)`
    assert.equal(
      told(withStack(stack, message)).stack,
      'at handle (file:///shop/client.ts:1:2)\nat async Promise.all (index 0)',
    )
    // The message was changed after the stack was made.
    assert.equal(
      told(withStack(stack, 'other')).stack,
      'at handle (file:///shop/client.ts:1:2)\nat async Promise.all (index 0)',
    )
  })

  test('of a real error says where it was thrown', () => {
    assert.match(told(new Error('Ana')).stack, /^at .*failure\.test\.ts:\d+:\d+/)
  })
})
