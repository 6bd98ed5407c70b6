// Sagas whose messages die: flagged for a person with the reason, and no undo keeps the others from being done.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { needsPerson } from '../../kernel/saga-decider.ts'
import { checkout, startToyShop } from '../../testing/toy-shop.ts'
import { createVirtualClock } from '../../testing/virtual-clock.ts'
import { toySaga } from '../../testing/toy-saga.ts'
import { sagaDeathReaction, sagaKind } from '../runtime/saga-reaction.ts'

async function start(pays: boolean) {
  const clock = createVirtualClock()
  const shop = await startToyShop({ clock, till: { pay: () => Promise.resolve(pays) } })
  const sagaOf = (orderId: string) => shop.lonja.reader('shop').state(sagaKind(checkout).at(orderId))
  return { ...shop, clock, sagaOf, pass: (ms: number) => clock.advance(ms, shop.idle) }
}

test('a step whose message dies flags its saga at once, and its service says what died', async () => {
  const shop = await start(true)
  await shop.place('dead-1', 1)
  await shop.pass(0)
  const saga = await shop.sagaOf('dead-1')
  assert.ok(needsPerson(saga), `it is ${saga.status}`)
  assert.deepEqual(saga.flagged, ['reserve'])
  assert.equal(saga.history.at(-1)?.what, 'Reserve died: TypeError')
  const died = (await shop.lonja.story('dead-1')).find(({ name }) => name === 'MessageDied')
  assert.ok(died !== undefined, 'nobody says that a message died')
  const { deadLetterId, ...told } = died.data as Readonly<Record<string, string>>
  assert.deepEqual(told, {
    group: 'depot',
    type: 'Reserve',
    keyName: 'orderId',
    key: 'dead-1',
    code: 'TypeError',
    faultClass: 'permanent',
    ids: { orderId: 'dead-1' },
  })
  assert.equal(died.service, 'depot')
  // No time limit undoes what a person has to look at.
  await shop.pass(600_000)
  assert.equal((await shop.sagaOf('dead-1')).status, 'overdue')
  await shop.lonja.discard('depot', { id: String(deadLetterId), reason: 'the order is void' })
  await shop.stop()
})

test('a saga is found by its own key also where its messages travel under another', () => {
  const { loads } = sagaDeathReaction('toy-shop', toySaga())
  const died = { keyName: 'orderId', key: 'order-1' }
  assert.deepEqual(
    loads({ ...died, ids: { orderId: 'order-1', id: 'return-1' } }).map(({ key }) => key),
    ['return-1'],
  )
  assert.deepEqual(loads({ ...died, ids: { orderId: 'order-1' } }), [])
})

test('an undo that dies is flagged, the others are done, and the saga waits for a person', async () => {
  const shop = await start(false)
  await shop.place('stuck-1', 1)
  await shop.pass(1000)
  const saga = await shop.sagaOf('stuck-1')
  assert.deepEqual([saga.status, saga.flagged], ['needs-person', ['reserve']])
  assert.ok(saga.history.some(({ what }) => what === 'Release died: TypeError'))
  await shop.stop()
})
