// The consumer group of a feed: it maps events and appends what comes of them, and keeps nothing.
import type { Feed } from '../../kernel/feed.ts'
import type { Group } from './registry.ts'

/** Its name is what its cursors are kept under; `beginFeeds` says where they begin. */
export function feedGroup(service: string, feed: Feed): Group {
  return {
    name: `${service}.${feed.name}`,
    service,
    topics: [...new Set(feed.rules.map(({ event }) => event.topic))].toSorted(),
    reactions: new Map(),
    folds: new Map(),
    projection: undefined,
    fed: Map.groupBy(feed.rules, ({ event }) => event.type),
    feed,
  }
}
