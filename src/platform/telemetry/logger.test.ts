// The log: which fields pass, what is left of an error, and how a line looks to people.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../../kernel/refuse.ts'
import { StoreUnavailable } from '../ports.ts'
import { createLogger, type LogFields, type LogFormat, type LogLevel } from './logger.ts'

const MAIL = 'ana.souza@example.com'

function logTo(level: LogLevel = 'debug', format: LogFormat = 'json') {
  const lines: string[] = []
  const log = createLogger({ level, format, destination: { write: (line) => void lines.push(line) } })
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> }
}

test('a line has time, level, sentence and the fields that were given', () => {
  const { log, last } = logTo()
  log.warn('A partition was paused.', {
    topic: 'orders.events',
    key: '7',
    group: 'orders.checkout',
    orderId: '7',
    count: 3,
  })
  const { time, ...rest } = last()
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.deepEqual(rest, {
    level: 'warn',
    message: 'A partition was paused.',
    topic: 'orders.events',
    key: '7',
    group: 'orders.checkout',
    orderId: '7',
    count: 3,
  })
})

test('a field that is not on the list does not reach the log, whatever carried it in', () => {
  const { log, lines } = logTo()
  const client = { name: 'Ana Souza', email: MAIL, taxId: '529.982.247-25', key: '7', topic: { deep: MAIL } }
  log.info('A client was registered.', client as unknown as LogFields)
  assert.ok(!/Ana|souza|529/.test(lines.join('')), lines.join(''))
  assert.ok(lines[0]?.includes('"key":"7"'))
})

test('an address in an allowed field is masked, and long values are cut', () => {
  const { log, last } = logTo()
  log.info('A record was parked.', { key: MAIL, correlation: 'x'.repeat(5000) })
  assert.equal(last()['key'], '***')
  assert.equal(String(last()['correlation']).length, 200)
})

test('an error of somebody else is told by name, code and place, not by its message', () => {
  const { log, lines, last } = logTo()
  const error = Object.assign(new Error(`550 no mailbox for ${MAIL}\n    at Ana Souza`), { code: 'EENVELOPE' })
  log.error('A mail was not sent.', { error })
  const told = last()['error'] as { readonly name: string; readonly code: string; readonly at: string[] }
  assert.equal(told.name, 'Error')
  assert.equal(told.code, 'EENVELOPE')
  assert.ok(told.at.length > 0 && told.at.every((frame) => /[:/(]/.test(frame)))
  assert.ok(!/Ana|souza|550/.test(lines.join('')), lines.join(''))
})

test('messages of the engine and of our ports are told, without what they received', () => {
  const { log, last } = logTo()
  const message = (): unknown => (last()['error'] as { readonly message?: string }).message
  log.error('A batch failed.', { error: new StoreUnavailable('the database does not answer') })
  assert.equal(message(), 'the database does not answer')
  log.error('A batch failed.', {
    error: new TypeError(`The "key" argument must be of type string. Received '${MAIL}'`),
  })
  assert.equal(message(), 'The "key" argument must be of type string.')
  log.error('A batch failed.', { error: new Refusal('CLIENT_UNKNOWN', { name: MAIL }) })
  assert.equal(message(), undefined)
  log.error('A batch failed.', { error: MAIL })
  assert.deepEqual(last()['error'], { name: 'string', at: [] })
})

test('lines below the level are not written', () => {
  const { log, lines } = logTo('warn')
  log.info('Nothing to see.')
  assert.deepEqual([lines.length, log.writes('info'), log.writes('error')], [0, false, true])
})

test('a readable line shows the sentence first, and a value can not pass for a field or a line', () => {
  const { log, lines } = logTo('info', 'pretty')
  log.info('A route was asked for.', { route: '/v1/orders', key: 'a status=500\nERROR' })
  log.error('A request failed.', { error: new RangeError('too deep') })
  assert.match(lines[0] ?? '', /^\d\d:\d\d:\d\d\.\d{3} INFO {2}A route was asked for\. /)
  assert.ok(lines[0]?.includes('route=/v1/orders'))
  assert.ok(lines[0]?.includes('key="a status=500\\nERROR"'))
  assert.match(lines[1] ?? '', /ERROR A request failed\.\n {4}RangeError too deep\n {6}at /)
})
