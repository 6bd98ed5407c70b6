// Whom notifications are sent to: a copy of what clients says of each client.
import { z } from 'zod'
import { entity } from '../../kernel/entity.ts'
import { clientDetails } from '../clients/contract.ts'

const { name, email, phone } = clientDetails

/** Marked personal in the contract of clients; kept in this service's documents only. */
export const recipientDetails = z.object({ name, email, phone })

/** A notification that could not be written yet. */
export interface Waiting {
  readonly notificationId: string
  readonly about: string
}

export interface Recipient {
  /** Undefined as long as clients has said nothing of him. */
  readonly details: z.output<typeof recipientDetails> | undefined
  /** What will be sent as soon as he is known. */
  readonly waiting: readonly Waiting[]
}

/** By client. */
export const recipient = entity<Recipient>('recipient', { initial: () => ({ details: undefined, waiting: [] }) })
