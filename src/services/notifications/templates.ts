// What the shop writes to its clients: each template a pure function of its facts and the client's name.
import type { Amount } from '../../kernel/money.ts'
import type { CANCEL_REASONS } from '../orders/contract.ts'

/** The facts of one notification, without anything personal: the name and address are put in when it is sent. */
export type Letter =
  | { readonly template: 'welcome' }
  | {
      readonly template: 'order-confirmed'
      readonly orderId: string
      readonly total: Amount
      readonly currency: string
    }
  | { readonly template: 'order-cancelled'; readonly orderId: string; readonly reason: string }
  | {
      readonly template: 'order-refunded'
      readonly orderId: string
      readonly amount: Amount
      readonly currency: string
    }

export interface WrittenLetter {
  readonly subject: string
  readonly text: string
}

const REASONS: Readonly<Record<(typeof CANCEL_REASONS)[number], string>> = {
  OUT_OF_STOCK: 'an item that you ordered is sold out',
  PAYMENT_DECLINED: 'your payment was declined',
  PAYMENT_TIMEOUT: 'your payment did not arrive in time',
  SHIPMENT_REFUSED: 'our carrier could not take the shipment',
  CLIENT: 'you asked us to',
  OPERATOR: 'we could not complete it',
}

/** Why an order was cancelled, as its client is told. */
export function reasonInWords(reason: string): string {
  return new Map(Object.entries(REASONS)).get(reason) ?? REASONS.OPERATOR
}

/**
 * Writes a letter to a client.
 *
 * @example
 * writeLetter({ template: 'welcome' }, 'Ana').subject // 'Welcome to our shop'
 */
export function writeLetter(letter: Letter, name: string): WrittenLetter {
  const { subject, lines } = bodyOf(letter)
  return { subject, text: [`Hello ${name},`, '', ...lines, '', 'Your shop', ''].join('\n') }
}

/** The same in a few sentences that name nobody: for telephones and other programs. */
export function writeShortly(letter: Letter): WrittenLetter {
  const { subject, lines } = bodyOf(letter)
  return { subject, text: lines.join(' ') }
}

interface Body {
  readonly subject: string
  readonly lines: readonly string[]
}

function bodyOf(letter: Letter): Body {
  switch (letter.template) {
    case 'welcome':
      return { subject: 'Welcome to our shop', lines: ['Your account is ready. We are glad that you are here.'] }
    case 'order-confirmed':
      return {
        subject: `Your order ${letter.orderId} is confirmed`,
        lines: [
          `We have confirmed your order ${letter.orderId} over ${letter.total} ${letter.currency}.`,
          'It is paid, and the carrier has been booked.',
        ],
      }
    case 'order-cancelled':
      return {
        subject: `Your order ${letter.orderId} is cancelled`,
        lines: [
          `We have cancelled your order ${letter.orderId} because ${reasonInWords(letter.reason)}.`,
          'If you had already paid, your money is on its way back.',
        ],
      }
    case 'order-refunded':
      return {
        subject: `Your refund for order ${letter.orderId}`,
        lines: [`We have given back ${letter.amount} ${letter.currency} for your order ${letter.orderId}.`],
      }
  }
}
