// Topics that somebody else writes, among the declared services: who hears them, and as which source they count.
import type { MessageInfo } from '../../kernel/message.ts'
import { EXTERNAL_SOURCE, isExternal, topicNamed } from '../../kernel/message.ts'
import type { Service } from '../../kernel/service.ts'
import type { SchemaDeclaration } from '../ports.ts'
import type { Reaction } from './registry.ts'

/** The topics of others that these services read, with what travels there. */
export function externalMessages(services: readonly Service[]): ReadonlyMap<string, MessageInfo> {
  const heard = services.flatMap(({ handlers }) => handlers).map(({ message }) => message)
  return new Map(heard.filter(isExternal).map((message) => [message.topic, message]))
}

/** The last of all schemas, without tables and in no database: the partitions that others write. */
export function externalSchemas(services: readonly Service[], version: number): SchemaDeclaration[] {
  const topics = [...externalMessages(services).keys()].map(topicNamed)
  if (topics.length === 0) return []
  const declared = topics.map(({ name, partitions }) => ({ name, partitions }))
  return [{ schema: EXTERNAL_SOURCE, version, tables: [], topics: declared }]
}

/** What somebody else wrote is looked at before a handler sees it: what does not fit is nothing that trying helps. */
export function checked({ schema }: MessageInfo, reaction: Reaction): Reaction {
  return {
    ...reaction,
    loads: (data) => reaction.loads(schema.parse(data)),
    handle: (data, held, context) => reaction.handle(schema.parse(data), held, context),
  }
}
