// Counts the steps that sagas undid since the start, from the records that batches append.
import type { Service } from '../../kernel/service.ts'
import type { Observer } from '../runtime/observer.ts'

export interface Compensations {
  /** The observer to hand to the runtime. */
  readonly observer: Observer
  readonly count: () => number
}

/** Wraps an observer: one look-up a record makes some 2 µs an order. */
export function countCompensations(observer: Observer, services: readonly Service[]): Compensations {
  const steps = services.flatMap(({ sagas }) => sagas.flatMap((saga) => saga.steps))
  const undone = new Set(steps.flatMap((step) => (step.undone === undefined ? [] : [step.undone.type])))
  let count = 0
  return {
    count: () => count,
    observer: {
      ...observer,
      committed(round, durationMs) {
        for (const { records } of round.outbox.fresh.values()) {
          for (const { type } of records) if (undone.has(type)) count += 1
        }
        observer.committed(round, durationMs)
      },
    },
  }
}
