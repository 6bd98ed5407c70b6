// What payments answers over HTTP: how an order is or was paid.
import { z } from 'zod'
import { toAmount, toMinor } from '../../kernel/money.ts'
import { refuse } from '../../kernel/refuse.ts'
import { get } from '../../kernel/route.ts'
import { amount, id } from '../../kernel/shapes.ts'
import { PAYMENT_METHODS } from './contract.ts'
import type { Payment } from './payment.ts'
import { payment } from './payment.ts'

const paymentShape = z.object({
  orderId: id,
  status: z.string(),
  amount,
  currency: z.string(),
  declineReason: z.string().nullable(),
  parts: z.array(z.object({ method: z.enum(PAYMENT_METHODS), amount, status: z.string(), returned: amount })),
})

export const readPayment = get('/v1/payments/:orderId', {
  summary: 'How an order is or was paid, part by part, and what was given back.',
  role: 'reader',
  params: z.object({ orderId: id }),
  answers: { 200: paymentShape },
  codes: ['PAYMENT_NOT_FOUND'],
  handle: async ({ params: { orderId }, read }) => {
    const found = await read.state(payment.at(orderId))
    refuse(found.status === 'none', 'PAYMENT_NOT_FOUND', { orderId })
    return { status: 200, body: shown(orderId, found) }
  },
})

function shown(orderId: string, { status, currency, declineReason, ...found }: Payment): z.output<typeof paymentShape> {
  const inFull = (text: string) => toAmount(toMinor(text, currency), currency)
  const parts = found.parts.map(({ method, amount, status, returned }) => {
    return { method, amount: inFull(amount), status, returned: inFull(returned) }
  })
  return { orderId, status, amount: inFull(found.amount), currency, declineReason: declineReason || null, parts }
}
