// The templates: every one has a subject and greets by name, and every reason has its words.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CANCEL_REASONS } from '../orders/contract.ts'
import { TEMPLATES } from './contract.ts'
import type { Letter } from './templates.ts'
import { reasonInWords, writeLetter } from './templates.ts'

const orderId = '019a0000-0000-7000-8000-000000000001'
const letters: readonly Letter[] = [
  { template: 'welcome' },
  { template: 'order-confirmed', orderId, total: '10.00', currency: 'EUR' },
  { template: 'order-cancelled', orderId, reason: 'CLIENT' },
  { template: 'order-refunded', orderId, amount: '4.00', currency: 'EUR' },
]

test('each template of the contract is written, with the name in the text and never in the subject', () => {
  assert.deepEqual(letters.map(({ template }) => template).toSorted(), [...TEMPLATES].toSorted())
  for (const letter of letters) {
    const { subject, text } = writeLetter(letter, 'Ana\nBcc: all@example.org')
    assert.ok(text.startsWith('Hello Ana') && subject.length > 0 && !subject.includes('Ana'))
  }
})

test('each reason is told in words, and one that nobody knows is told politely', () => {
  for (const reason of CANCEL_REASONS) assert.ok(!reasonInWords(reason).includes('_'))
  assert.equal(reasonInWords('toString'), reasonInWords('OPERATOR'))
})
