// Clients' part of the feed `domain-events`: what its readers hear of a user, and no more than that.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fedBy, inOneLine } from '../../../testing/feeding.ts'
import { ClientChanged, ClientRegistered } from '../contract.ts'
import { domainEvents } from './domain-events.feed.ts'

const client = {
  clientId: 'user-123',
  name: 'João Silva',
  email: 'joao@test.com',
  phone: '11999999999',
  taxId: '12345678909',
  addresses: [],
}

test('user.registered tells the e-mail, which the shape has, and nothing else of the person', () => {
  assert.deepEqual(fedBy(domainEvents, ClientRegistered(client)), {
    'user-events': inOneLine(`{
      "eventType": "user.registered",
      "data": {
        "userId": "user-123", "email": "joao@test.com", "registrationMethod": "email", "isEmailVerified": false
      }
    }`),
  })
})

test('user.profile.updated tells whose profile it is', () => {
  assert.deepEqual(fedBy(domainEvents, ClientChanged(client)), {
    'user-events': '{"eventType":"user.profile.updated","data":{"userId":"user-123"}}',
  })
})
