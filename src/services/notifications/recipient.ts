// Whom notifications are sent to: a copy of what clients says of each client.
import { z } from 'zod'
import { entity } from '../../kernel/entity.ts'
import { clientDetails } from '../clients/contract.ts'

const { name, email, phone, webhook, fallbackChannel } = clientDetails

/** Marked personal in the contract of clients; kept in this service's documents only. */
export const recipientDetails = z.object({ name, email, phone, webhook, fallbackChannel })

/** A notification that could not be written yet. */
export interface Waiting {
  readonly notificationId: string
  readonly about: string
}

export type RecipientDetails = z.output<typeof recipientDetails>

export interface Recipient {
  /** Undefined as long as clients has said nothing of him. */
  readonly details: RecipientDetails | undefined
  /** What will be sent as soon as he is known. */
  readonly waiting: readonly Waiting[]
}

/** By client. */
export const recipient = entity<Recipient>('recipient', { initial: () => ({ details: undefined, waiting: [] }) })
