// What clients says of a client: his address is copied, he is welcomed, and what waited for him goes out.
import type { Held } from '../../kernel/handler.ts'
import { on } from '../../kernel/handler.ts'
import { ClientChanged, ClientRegistered } from '../clients/contract.ts'
import { DeliverNotification } from './contract.ts'
import { deliver, notify, notifySays } from './delivering.ts'
import { documentsOf, notificationIdOf } from './notification.ts'
import type { RecipientDetails } from './recipient.ts'
import { recipient } from './recipient.ts'

function welcomeOf(clientId: string) {
  const notificationId = notificationIdOf(clientId, 'welcome')
  return { notificationId, about: clientId, clientId, letter: { template: 'welcome' } as const }
}

export const welcomeClient = on(ClientRegistered, {
  says: [...notifySays, DeliverNotification],
  loads: ({ clientId }) => documentsOf(welcomeOf(clientId)),
  handle: (client, held, { now }) => [
    ...copyRecipient(held, client.clientId, client),
    ...notify(held, welcomeOf(client.clientId), now),
  ],
})

export const changeRecipient = on(ClientChanged, {
  says: [DeliverNotification],
  loads: ({ clientId }) => [recipient.at(clientId)],
  handle: (client, held) => copyRecipient(held, client.clientId, client),
})

/** Only the recipient knows what waits for him, so each of these is sent by a message that names its document. */
export const deliverNotification = on(DeliverNotification, {
  says: notifySays,
  loads: documentsOf,
  handle: (waiting, held, { now }) => deliver(held, waiting, now),
})

function copyRecipient(held: Held, clientId: string, client: RecipientDetails) {
  const { waiting } = held.get(recipient.at(clientId))
  const { name, email, phone, webhook, fallbackChannel } = client
  held.put(recipient.at(clientId), { details: { name, email, phone, webhook, fallbackChannel }, waiting: [] })
  return waiting.map(({ notificationId, about }) => DeliverNotification({ about, clientId, notificationId }))
}
