// The platform's own event: a message that a service could not handle was given up. Every service may say it.
import { z } from 'zod'
import type { Message, MessageInfo } from './message.ts'

export const MESSAGE_DIED = 'MessageDied'

/** Names what died and why; the message itself, which may tell of persons, lies in the service's dead letters. */
const body = {
  group: z.string(),
  type: z.string(),
  keyName: z.string(),
  key: z.string(),
  code: z.string(),
  faultClass: z.enum(['transient', 'permanent', 'undecodable', 'unknown']),
  deadLetterId: z.string(),
  /** What the dead message names besides its key, by field: a saga may go by another one than its messages do. */
  ids: z.record(z.string(), z.string()).optional(),
}
const schema = z.object(body)

export type DiedMessage = z.output<typeof schema>

/** It goes to the events of whoever's group gave the message up, in the partition of the dead message's key. */
export const messageDied: MessageInfo = {
  type: MESSAGE_DIED,
  kind: 'event',
  service: '*',
  topic: '*.events',
  key: 'key',
  schema,
}

export function MessageDied(data: DiedMessage): Message {
  return { type: MESSAGE_DIED, data }
}

/** The topic that messages of this type travel on; those of the platform on the service's own. */
export function topicOf({ topic }: Pick<MessageInfo, 'topic'>, service: string): string {
  return topic.startsWith('*') ? service + topic.slice(1) : topic
}
