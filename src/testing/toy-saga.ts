// A small saga for the tests of the decider: hold, pay, send, each undoable or not.
import { z } from 'zod'
import { contract } from '../kernel/message.ts'
import { saga } from '../kernel/saga.ts'

const shop = contract('toy-shop')
const depot = contract('toy-depot')
const options = { key: 'id', body: { id: z.string() } } as const

/** A message type of the toy, whichever. */
export interface ToyType {
  (data: { readonly id: string }): { readonly type: string; readonly data: { readonly id: string } }
  readonly type: string
}

export const Placed = shop.event('Placed', options)
export const Confirmed = shop.event('Confirmed', options)
export const Cancelled = shop.event('Cancelled', options)
export const GivenUp = shop.event('GivenUp', options)
export const StopAsked = shop.event('StopAsked', options)
export const HoldExpired = depot.event('HoldExpired', options)
export const Held = depot.event('Held', options)
export const HoldRefused = depot.event('HoldRefused', options)
export const Released = depot.event('Released', options)
export const Paid = depot.event('Paid', options)
export const Declined = depot.event('Declined', options)
export const Refunded = depot.event('Refunded', options)
export const Sent = depot.event('Sent', options)
export const SendRefused = depot.event('SendRefused', options)
export const CalledBack = depot.event('CalledBack', options)

const Confirm = shop.command('Confirm', options)
export const Flag = shop.command('Flag', { key: 'id', body: { id: z.string(), steps: z.array(z.string()) } })
const GiveUp = shop.command('GiveUp', options)
const Tell = shop.command('Tell', options)
export const Cancel = shop.command('Cancel', { key: 'id', body: { id: z.string(), reason: z.string() } })
const Hold = depot.command('Hold', options)
const Release = depot.command('Release', options)
const Pay = depot.command('Pay', options)
const Refund = depot.command('Refund', options)
const Send = depot.command('Send', options)
const CallBack = depot.command('CallBack', options)

export const id = { id: '7' }

/** Which of the three steps can be undone. */
export type Undoable = readonly [boolean, boolean, boolean]

export function toySaga([hold, pay, send]: Undoable = [true, true, true]) {
  return saga({
    name: 'toy',
    starts: Placed,
    key: 'id',
    says: [Hold, Pay, Send, Release, Refund, CallBack, Confirm, Cancel, Flag, GiveUp, Tell],
    remembers: () => id,
    steps: [
      {
        name: 'hold',
        send: Hold,
        done: Held,
        refused: HoldRefused,
        ...(hold ? { undo: Release, undone: Released, undoWithin: '1 min' } : {}),
        within: '30 s',
        late: 'HOLD_LATE',
      },
      {
        name: 'pay',
        send: Pay,
        done: Paid,
        refused: Declined,
        ...(pay ? { undo: Refund, undone: Refunded } : {}),
        tells: Tell,
        promise: { done: 'It is paid.', undone: 'It is paid back.' },
        within: () => '5 min',
        late: 'PAY_LATE',
      },
      {
        name: 'send',
        send: Send,
        done: Sent,
        refused: SendRefused,
        ...(send ? { undo: CallBack, undone: CalledBack } : {}),
        within: '1 h',
        late: 'SEND_LATE',
      },
    ],
    stops: [StopAsked, HoldExpired],
    succeeds: { send: Confirm, done: Confirmed },
    fails: { send: (_, reason) => Cancel({ ...id, reason }), done: Cancelled },
    reasonOf: ({ type }) => type,
    flags: (_, steps) => Flag({ ...id, steps: [...steps] }),
    givesUp: () => GiveUp(id),
    givenUp: GivenUp,
  })
}
