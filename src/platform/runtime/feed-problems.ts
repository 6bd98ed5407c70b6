// What would break the promises of a feed, said at start: order by key, a beginning that is known, nothing forgotten.
import type { Feed, FeedRule } from '../../kernel/feed.ts'
import { keptMs, topicNamed } from '../../kernel/message.ts'
import type { Service } from '../../kernel/service.ts'

/** A sentence for each thing that is wrong with a service's feeds, also with those that are off. */
export function feedProblems(service: Service): string[] {
  return service.feeds.flatMap((feed) => feed.rules.flatMap((rule) => ruleProblems(service, feed, rule)))
}

function ruleProblems({ name: service, publishes }: Service, feed: Feed, { event, to }: FeedRule): string[] {
  const name = `${service}.${feed.name}`
  const problems: string[] = []
  // Two topics are read in no order, so one that is fed from both would have none by key; and a log elsewhere has no
  // end that is known at the start.
  if (event.service !== service || event.kind !== 'event') {
    problems.push(`The feed ${name} reads ${event.type}: a feed reads the events of its own service alone.`)
  } else if (!publishes.some(({ type }) => type === event.type)) {
    problems.push(`The feed ${name} reads ${event.type}, which nobody publishes.`)
  } else if (Number.isFinite(keptMs(topicNamed(event.topic)))) {
    // Turned on again after a long time it would find a gap.
    problems.push(`The feed ${name} reads ${event.topic}, which is not kept for ever.`)
  }
  if (to.kind !== 'outward' || to.service !== service) {
    problems.push(`The feed ${name} writes to ${to.name}, which is no outward topic of its service.`)
  }
  return problems
}
