// What shipping answers over HTTP: where an order's goods are, and the carrier's news about them.
import { z } from 'zod'
import { momentOf } from '../../kernel/inputs.ts'
import { refuse } from '../../kernel/refuse.ts'
import { get, post } from '../../kernel/route.ts'
import { id } from '../../kernel/shapes.ts'
import { RecordTrackingStep, trackingStep } from './contract.ts'
import type { Shipment } from './shipment.ts'
import { shipment } from './shipment.ts'

const params = z.object({ orderId: id })
const shipmentShape = z.object({
  orderId: id,
  status: z.string(),
  carrier: z.string().nullable(),
  trackingNumber: z.string().nullable(),
  reason: z.string().nullable(),
  steps: z.array(z.object({ step: z.string(), note: z.string().nullable(), at: z.iso.datetime() })),
})

function shown(orderId: string, { status, carrier, trackingNumber, reason, steps }: Shipment) {
  return {
    orderId,
    status,
    carrier: carrier || null,
    trackingNumber: trackingNumber || null,
    reason: reason || null,
    steps: steps.map(({ step, note, at }) => ({ step, note: note || null, at: momentOf(at) })),
  }
}

export const readShipment = get('/v1/shipments/:orderId', {
  summary: 'The shipment of an order, with its tracking steps.',
  role: 'reader',
  params,
  answers: { 200: shipmentShape },
  codes: ['SHIPMENT_NOT_FOUND'],
  handle: async ({ params: { orderId }, read }) => {
    const found = await read.state(shipment.at(orderId))
    refuse(found.status === 'none', 'SHIPMENT_NOT_FOUND', { orderId })
    return { status: 200, body: shown(orderId, found) }
  },
})

export const addTrackingStep = post('/v1/shipments/:orderId/steps', {
  summary: 'Records a step of a booked shipment on its way.',
  role: 'clerk',
  params,
  body: z.strictObject(trackingStep),
  answers: { 201: shipmentShape },
  codes: ['SHIPMENT_NOT_FOUND', 'SHIPMENT_NOT_BOOKED', 'SHIPMENT_STEPS_FULL'],
  handle: ({ params: { orderId }, body: { step, note }, submit }) => {
    const command = RecordTrackingStep({ orderId, step, ...(note === undefined ? {} : { note }) })
    return submit(command, (held) => ({ status: 201, body: shown(orderId, held.get(shipment.at(orderId))) }))
  },
})
