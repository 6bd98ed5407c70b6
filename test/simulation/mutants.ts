// Mutants: each takes one safeguard away, so that it shows which check would notice.
import type { Output } from '../../src/kernel/handler.ts'
import type { Saga } from '../../src/kernel/saga.ts'
import type { SagaState } from '../../src/kernel/saga-decider.ts'
import { decideSaga, isLive } from '../../src/kernel/saga-decider.ts'
import type { LogRow, Plan, Write } from '../../src/platform/ports.ts'
import { RoundParking } from '../../src/platform/parking/round-parking.ts'
import { RoundRetries } from '../../src/platform/parking/round-retries.ts'
import type { Reaction, Registry } from '../../src/platform/runtime/registry.ts'
import { sagaTimerName } from '../../src/platform/runtime/registry.ts'
import { sagaKind } from '../../src/platform/runtime/saga-reaction.ts'
import { PaymentRefunded, RefundPayment } from '../../src/services/payments/contract.ts'
import { payment } from '../../src/services/payments/payment.ts'
import type { Mutant } from './mutant.ts'
import { replaced } from './mutant.ts'
import { KAFKA_MUTANTS } from './mutants-kafka.ts'
import { SCALING_MUTANTS } from './scaling-mutants.ts'
import { registry } from './wiring.ts'

/** The writes of some tables in a commit of their own, before or after all the others. */
function split(plan: Plan, isApart: (write: Write) => boolean, order: 'first' | 'last'): readonly Plan[] {
  const apart = plan.writes.filter(isApart)
  const rest: Plan = { ...plan, writes: plan.writes.filter((write) => !isApart(write)) }
  const isEmpty = rest.writes.length === 0 && rest.appends.length === 0
  if (apart.length === 0 || isEmpty) return [plan]
  const own: Plan = { ...plan, writes: apart, appends: [] }
  return order === 'first' ? [own, rest] : [rest, own]
}

function isOf(table: string): (write: Write) => boolean {
  return (write) => write.table.name === table
}

/** A type that no group listens to: records of it are passed over. */
function unheardType(): string {
  const heard = new Set(registry.groups.flatMap(({ reactions, folds }) => [...reactions.keys(), ...folds.keys()]))
  const type = [...registry.messages.keys()].find((name) => !heard.has(name))
  if (type === undefined) throw new Error('Every message is heard by somebody.')
  return type
}

/** The row after the missing one says that it begins where that one did. */
function stretched(rows: readonly LogRow[], missing: LogRow): readonly LogRow[] {
  const isNext = ({ topic, partition, first }: LogRow) =>
    topic === missing.topic && partition === missing.partition && first === missing.last + 1
  const count = missing.last - missing.first + 1
  const filler = Array.from({ length: count }, () => ({ type: unheardType(), key: 'x', data: {}, cause: 'http x' }))
  return rows.map((row) => {
    if (!isNext(row)) return row
    const body = JSON.stringify([...filler, ...(JSON.parse(row.body) as readonly unknown[])])
    return { ...row, first: missing.first, body }
  })
}

/** Every reaction of every group through a function. */
function wrapReactions({ groups }: Registry, wrap: (reaction: Reaction, group: string) => Reaction): void {
  for (const { name, reactions } of groups) {
    for (const [type, own] of reactions)
      (reactions as Map<string, readonly Reaction[]>).set(
        type,
        own.map((reaction) => wrap(reaction, name)),
      )
  }
}

/** The saga's timer ends whatever step is awaited when it comes due, though it was armed for an earlier one. */
function unversionedTimer(saga: Saga, own: Reaction): Reaction {
  const kind = sagaKind(saga)
  return {
    ...own,
    handle: (key, held, { now }) => {
      const ref = kind.at(String(key))
      const state = { ...held.get(ref), armed: 0 }
      if (!isLive(state)) return []
      const move = decideSaga(saga, state, { lateTurn: state.turn }, now) ?? { state, sends: [] }
      const at = move.state.due
      held.put(ref, { ...move.state, armed: at })
      return at === 0 ? move.sends : [...move.sends, { saga: saga.name, key: ref.key, at }]
    },
  }
}

const ENDS: Partial<Record<SagaState['status'], SagaState['status']>> = { succeeding: 'succeeded', failing: 'failed' }

/** A saga that has sent its last command takes it for done. */
function endedOnSending(saga: Saga, own: Reaction): Reaction {
  const kind = sagaKind(saga)
  return {
    ...own,
    handle: (data, held, context) => {
      const outcomes = own.handle(data, held, context)
      for (const ref of own.loads(data)) {
        if (ref.kind !== kind) continue
        const state = held.get(ref) as SagaState
        const status = ENDS[state.status]
        if (status !== undefined) held.put(ref, { ...state, status })
      }
      return outcomes
    },
  }
}

/** Payments answers at once that there is nothing to undo, where its payment is in this status. */
function nothingToUndoAt(mistaken: 'none' | 'capturing'): NonNullable<Mutant['services']> {
  return (services) =>
    services.map((service) => ({
      ...service,
      handlers: service.handlers.map((handler) => {
        if (service.name !== 'payments' || handler.message.type !== RefundPayment.type) return handler
        return {
          ...handler,
          handle: (data, held, context): readonly Output[] => {
            const { orderId, currency } = data as { readonly orderId: string; readonly currency: string }
            return held.get(payment.at(orderId)).status === mistaken
              ? [PaymentRefunded({ orderId, amount: '0.00', currency })]
              : handler.handle(data, held, context)
          },
        }
      }),
    }))
}

/** An undo that meets a capture under way answers at once that there is nothing to undo. */
const nothingToUndo = nothingToUndoAt('capturing')

/** An undo that comes before its do leaves nothing behind that would refuse it. */
const noTombstone = nothingToUndoAt('none')

/** Every call to the gateway under a key of its own. */
const keyPerTry: Mutant['adapters'] = ({ gateway, ...others }) => {
  let tries = 0
  const anew = <Call extends { readonly idempotencyKey: string }>(call: Call): Call => {
    tries += 1
    return { ...call, idempotencyKey: `${call.idempotencyKey} ${tries}` }
  }
  return {
    ...others,
    gateway: {
      capture: (request, call) => gateway.capture(request, anew(call)),
      refund: (request, call) => gateway.refund(request, anew(call)),
      findCapture: (request, call) => gateway.findCapture(request, anew(call)),
      findRefund: (request, call) => gateway.findRefund(request, anew(call)),
    },
  }
}

export const MUTANTS: readonly Mutant[] = [
  ...SCALING_MUTANTS,
  { name: 'cursor advanced in its own transaction', store: { plans: (plan) => split(plan, isOf('cursors'), 'last') } },
  { name: 'gap passed over', favours: ['gap', 'theft'], store: { gap: stretched } },
  {
    name: 'save without version',
    favours: ['theft', 'pause', 'pause at commit'],
    store: {
      plans: (plan) => {
        const writes = plan.writes.map((write): Write => {
          const isDocument = write.mode === 'versioned' && write.table.name !== 'cursors'
          return isDocument ? { ...write, mode: 'upsert' } : write
        })
        return [{ ...plan, writes }]
      },
    },
  },
  {
    name: 'cursor without version',
    favours: ['theft', 'pause at commit'],
    store: {
      plans: (plan) => {
        const writes = plan.writes.map((write): Write => {
          return write.table.name === 'cursors' ? { ...write, mode: 'upsert' } : write
        })
        return [{ ...plan, writes }]
      },
    },
  },
  { name: 'idempotency row after the work', store: { plans: (plan) => split(plan, isOf('idempotency'), 'last') } },
  { name: 'snapshot ahead of its stream', store: { plans: (plan) => split(plan, isOf('streams'), 'last') } },
  { name: 'timer fired before its topics were read', favours: ['theft', 'gap', 'pause'], store: { staleHeads: true } },
  {
    name: 'timer fired without its version',
    weaken: ({ sagas, sagaTimers }) => {
      for (const saga of sagas) {
        const name = sagaTimerName(saga.name)
        const own = sagaTimers.get(name)
        if (own !== undefined) (sagaTimers as Map<string, Reaction>).set(name, unversionedTimer(saga, own))
      }
    },
  },
  {
    name: 'saga ends on sending',
    // It shows where an order is cancelled between the last answer and its confirmation.
    cancels: true,
    weaken: (wired) => {
      for (const saga of wired.sagas) wrapReactions(wired, (reaction) => endedOnSending(saga, reaction))
    },
  },
  { name: 'nothing to undo while the do is in flight', services: nothingToUndo },
  { name: 'no tombstone', favours: ['replay'], undoesFirst: true, services: noTombstone },
  { name: 'no incarnation', keepsIncarnation: true },
  { name: 'effect key minted per try', adapters: keyPerTry },
  {
    name: 'parked key ignored',
    favours: ['poison'],
    install: () => replaced(RoundParking.prototype, 'before', () => () => 'handle'),
  },
  {
    name: 'redrive out of order',
    favours: ['poison'],
    install: () =>
      replaced(
        RoundRetries.prototype,
        'run',
        (run) =>
          function backwards(this: RoundRetries, retries, transaction) {
            const turned = retries.map((retry) => ({ ...retry, messages: retry.messages.toReversed() }))
            return run.call(this, turned, transaction)
          },
      ),
  },
  ...KAFKA_MUTANTS,
]
