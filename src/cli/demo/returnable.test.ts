// Returns find the orders that they belong to: newest first, over several where needed, never more than was bought.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Returnable } from './returnable.ts'

const pieces = (sku: string, quantity: number) => ({ sku, quantity })

test('the newest order is taken first, and what is missing from the one before', () => {
  const returnable = new Returnable()
  returnable.bought('ana', 'older', [pieces('TEA', 4)])
  returnable.bought('ana', 'newer', [pieces('TEA', 2), pieces('CUP', 1)])
  const { byOrder, unmatched } = returnable.take('ana', [pieces('TEA', 5)])
  assert.deepEqual(
    [...byOrder],
    [
      ['newer', [pieces('TEA', 2)]],
      ['older', [pieces('TEA', 3)]],
    ],
  )
  assert.deepEqual(unmatched, [])
})

test('what was returned can not be returned again, and what nobody bought finds no order', () => {
  const returnable = new Returnable()
  returnable.bought('ana', 'order', [pieces('TEA', 1), pieces('TEA', 2)])
  assert.deepEqual(returnable.take('ana', [pieces('TEA', 3)]).unmatched, [])
  const again = returnable.take('ana', [pieces('TEA', 1), pieces('CUP', 2)])
  assert.deepEqual([again.byOrder.size, again.unmatched], [0, [pieces('TEA', 1), pieces('CUP', 2)]])
  assert.equal(returnable.take('bob', [pieces('TEA', 1)]).byOrder.size, 0)
})

test('no order ever gets back more than it sold, and nothing is lost on the way', () => {
  const line = fc.record({ sku: fc.constantFrom('A', 'B', 'C'), quantity: fc.integer({ min: 1, max: 9 }) })
  const move = fc.record({ isReturn: fc.boolean(), items: fc.array(line, { minLength: 1, maxLength: 4 }) })
  fc.assert(
    fc.property(fc.array(move, { maxLength: 20 }), (moves) => {
      const returnable = new Returnable()
      const left = new Map<string, number>()
      moves.forEach(({ isReturn, items }, at) => {
        if (!isReturn) {
          returnable.bought('ana', `order ${at}`, items)
          for (const { sku, quantity } of items) {
            left.set(`order ${at} ${sku}`, (left.get(`order ${at} ${sku}`) ?? 0) + quantity)
          }
          return
        }
        const { byOrder, unmatched } = returnable.take('ana', items)
        for (const [orderId, taken] of byOrder) {
          for (const { sku, quantity } of taken) {
            left.set(`${orderId} ${sku}`, (left.get(`${orderId} ${sku}`) ?? 0) - quantity)
          }
        }
        const sum = (all: readonly { readonly quantity: number }[]) => all.reduce((own, each) => own + each.quantity, 0)
        assert.equal(sum([...byOrder.values()].flat()) + sum(unmatched), sum(items))
      })
      assert.ok([...left.values()].every((quantity) => quantity >= 0))
    }),
  )
})
