// Cursor pages: keys survive the way out and in, garbage does not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { cutPage, decodeCursor, encodeCursor, pageQuery } from './page.ts'

test('a key comes back from its cursor', () => {
  const keys = fc.array(
    fc.oneof(
      fc.maxSafeInteger(),
      fc.string().map((text) => text.replaceAll('\u0000', '')),
    ),
  )
  fc.assert(fc.property(keys, (key) => assert.deepEqual(decodeCursor(encodeCursor(key)), key)))
})

test('garbage, other lists and edited cursors are no cursors', () => {
  const query = z.strictObject(pageQuery(['number', 'string']))
  const good = encodeCursor([5, 'x'])
  assert.deepEqual(query.parse({ after: good }), { after: [5, 'x'], limit: 50 })
  const wrong = [
    '',
    'x',
    '%%',
    `${good}=`,
    `${good} `,
    encodeCursor(['x']),
    encodeCursor(['x', 5]),
    encodeCursor([5, 'a\u0000']),
  ]
  for (const after of wrong) assert.equal(query.safeParse({ after }).success, false, after)
  for (const limit of ['0', '501', '1.5', 'x']) assert.equal(query.safeParse({ limit }).success, false, limit)
})

test('the row above the limit is not shown, it only tells that another page follows', () => {
  const rows = [{ id: 'a' }, { id: 'b' }, { id: 'c' }]
  assert.deepEqual(
    cutPage(rows, 2, ({ id }) => [id]),
    { items: rows.slice(0, 2), next: encodeCursor(['b']) },
  )
  assert.equal(cutPage(rows, 3, ({ id }) => [id]).next, null)
})
