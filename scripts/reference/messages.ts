// The page of the topics and messages: how each topic is kept, and every field of what travels on it.
import { z } from 'zod'
import { listTopics } from '../../src/cli/topics.ts'
import { type Feed, topicsOfFeed } from '../../src/kernel/feed.ts'
import { isPersonal, type MessageInfo } from '../../src/kernel/message.ts'
import type { Json } from '../../src/platform/http/openapi-schemas.ts'
import type { Registry } from '../../src/platform/runtime/registry.ts'
import { fieldsOf, PERSONAL_MARK } from './fields.ts'
import { code, codes, page, table } from './markdown.ts'

export function messagesPage(registry: Registry): string {
  const topics = listTopics(registry.services)
  const overview = table(
    ['Topic', 'Partitions', 'Kept at least', 'Compression', 'Appended by', 'Messages'],
    topics.map(({ name, partitions, keep, compression, sources, messages }) => [
      code(name),
      String(partitions),
      keep,
      compression,
      sources.join(', '),
      String(messages.length),
    ]),
  )
  const parts = topics.flatMap(({ name, messages }) =>
    messages.length === 0 ? [] : [`## ${name}`, ...messages.flatMap(({ type }) => messagePart(registry, type))],
  )
  return page(
    'Topics and messages',
    'Generated from the contracts by `npm run reference`. `<service>.events` carries what happened, ' +
      '`<service>.commands` what is asked of a service. A message goes to the partition of its key, so ' +
      'messages of one key stay in order. **Personal** fields tell who a person is: they never reach logs, ' +
      'metrics or error texts.',
    ['## Topics', overview, ...feedsPart(registry), ...parts],
  )
}

function feedsPart({ services }: Registry): string[] {
  const feeds = services.flatMap(({ name: service, feeds: own }) => own.map((feed) => ({ service, feed })))
  const names = [...new Set(feeds.map(({ feed }) => feed.name))]
  return [
    '## Outward topics',
    "Events in other systems' shapes, off unless the setting `feeds` names them; " +
      '[Feeds](../guides/feeds.md) tells more. A record lies under the key of the event that it is made of.',
    ...names.flatMap((name) => {
      const rows = feeds
        .filter(({ feed }) => feed.name === name)
        .flatMap(({ service, feed }) => feedRows(service, feed))
      const heading = ['Topic', 'Partitions', 'Kept at least', 'Compression', 'Key', 'Appended by', 'Records']
      return [`### Feed ${name}`, table(heading, rows)]
    }),
  ]
}

function feedRows(service: string, feed: Feed): string[][] {
  return topicsOfFeed(feed).map((topic) => {
    const { name, partitions, keep, compression } = topic
    const rules = feed.rules.filter(({ to }) => to === topic)
    const keys = new Set(rules.map(({ event }) => event.key))
    const records = rules.map(({ as, event }) => `${code(as)} of ${code(event.type)}`)
    return [code(name), String(partitions), keep, compression, codes([...keys]), service, records.join(', ')]
  })
}

function messagePart({ messages, groups }: Registry, type: string): string[] {
  const message = messages.get(type)
  if (message === undefined) return []
  const readers = groups.filter(({ reactions, folds }) => reactions.has(type) || folds.has(type))
  const heard = readers.length === 0 ? 'Heard by nobody yet' : `Heard by ${codes(readers.map(({ name }) => name))}`
  const rows = fieldsOf(schemaOf(message)).map((field) => [
    code(field.path),
    `${field.type}${field.isRequired ? '' : ', optional'}`,
    [field.path === message.key ? 'key' : '', field.isPersonal ? '**personal**' : ''].filter(Boolean).join(', '),
  ])
  return [
    `### ${type}`,
    `${message.kind === 'event' ? 'An event' : 'A command'}. ${heard}.`,
    table(['Field', 'Type', 'Mark'], rows),
  ]
}

/** The body as it travels, with the personal fields marked. */
function schemaOf({ schema }: MessageInfo): Json {
  return z.toJSONSchema(schema, {
    io: 'output',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (isPersonal(zodSchema as unknown as z.ZodType)) jsonSchema[PERSONAL_MARK] = true
    },
  })
}
