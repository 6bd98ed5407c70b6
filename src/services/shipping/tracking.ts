// Tracking: where a booked shipment is on its way, step by step.
import { on } from '../../kernel/handler.ts'
import { refuse } from '../../kernel/refuse.ts'
import { RecordTrackingStep, TrackingStepRecorded } from './contract.ts'
import { shipment } from './shipment.ts'

/** A parcel has a dozen steps; a list that grows for ever would make each change of its shipment slower. */
export const MAX_TRACKING_STEPS = 100

export const recordTrackingStep = on(RecordTrackingStep, {
  says: [TrackingStepRecorded],
  loads: ({ orderId }) => [shipment.at(orderId)],
  handle: ({ orderId, step, note }, held, { now }) => {
    const before = held.get(shipment.at(orderId))
    refuse(before.status === 'none' || before.status === 'withdrawn', 'SHIPMENT_NOT_FOUND', { orderId })
    refuse(before.status !== 'booked', 'SHIPMENT_NOT_BOOKED', { orderId, status: before.status })
    refuse(before.steps.length >= MAX_TRACKING_STEPS, 'SHIPMENT_STEPS_FULL', { limit: MAX_TRACKING_STEPS })
    const steps = [...before.steps, { step, note: note ?? '', at: now }]
    held.put(shipment.at(orderId), { ...before, steps })
    return TrackingStepRecorded({ orderId, step, ...(note === undefined ? {} : { note }) })
  },
})
