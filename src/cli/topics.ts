// `lonja topics`: every topic with how it is kept and the messages that travel on it.
import { servicesWith } from '../app.ts'
import { topicsOfFeed } from '../kernel/feed.ts'
import { buildRegistry } from '../platform/runtime/registry.ts'
import type { Service } from '../kernel/service.ts'
import { EXIT, isSet, noWords, type Call } from './command.ts'
import { tableOf } from './terminal.ts'

export async function topics(call: Call): Promise<number> {
  noWords(call)
  const { terminal } = call
  const listed = listTopics(servicesWith(call.settings))
  if (isSet(call, 'json')) {
    terminal.json({ topics: listed })
    return EXIT.ok
  }
  const rows = listed.map(({ name, partitions, keep, compression, sources, messages }) => [
    name,
    String(partitions),
    keep,
    compression,
    sources.length === 0 ? '-' : sources.join(', '),
    messages.length === 0 ? '-' : messages.map(({ type, key }) => `${type}(${key})`).join(', '),
  ])
  const heading = ['TOPIC', 'PARTITIONS', 'KEPT', 'COMPRESSION', 'APPENDED BY', 'MESSAGES (KEY)']
  for (const line of tableOf([heading, ...rows])) terminal.line(line)
  return EXIT.ok
}

/** Every topic that a contract declares, with those who append to it and the messages on it. */
export function listTopics(services: readonly Service[]) {
  const registry = buildRegistry(services)
  const messages = [...registry.messages.values(), ...services.flatMap(fedMessages)]
  return services
    .flatMap(({ topics, activeFeeds }) => [...topics, ...activeFeeds.flatMap(topicsOfFeed)])
    .map(({ name, service, partitions, keep, compression }) => ({
      name,
      service,
      partitions,
      keep,
      compression,
      sources: registry.sourcesOf(name),
      messages: messages
        .filter(({ topic }) => topic === name)
        .map(({ type, kind, key }) => ({ type, kind, key }))
        .toSorted((one, other) => (one.type < other.type ? -1 : 1)),
    }))
}

/** What feeds that are on make, each once: several events may lead to one type. */
function fedMessages({ activeFeeds }: Service) {
  const rules = activeFeeds.flatMap((feed) => feed.rules)
  const made = rules.map(({ as: type, event, to }) => ({ type, kind: 'fed' as const, key: event.key, topic: to.name }))
  return [...new Map(made.map((each) => [`${each.topic} ${each.type}`, each])).values()]
}
