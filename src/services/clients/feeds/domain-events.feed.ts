// Clients' part of the feed `domain-events`: user-events, with a type and its data.
import { fed, feed } from '../../../kernel/feed.ts'
import { ClientChanged, ClientRegistered, domainUsers } from '../contract.ts'

export const domainEvents = feed('domain-events', [
  // The e-mail is personal: the shape has it. Who is registered here gave his address, and nobody has verified it.
  fed(ClientRegistered, { to: domainUsers, as: 'user.registered' }, ({ clientId, email }, { type }) => ({
    eventType: type,
    data: { userId: clientId, email, registrationMethod: 'email', isEmailVerified: false },
  })),
  fed(ClientChanged, { to: domainUsers, as: 'user.profile.updated' }, ({ clientId }, { type }) => ({
    eventType: type,
    data: { userId: clientId },
  })),
])
