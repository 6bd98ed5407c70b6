// Feeds: events mapped to records on outward topics, in somebody else's shape. Off unless a setting turns them on.
import type { AnyMessageType, DataOf, MessageInfo, Topic } from './message.ts'

/** What a feed knows of an event besides its body; nothing of the moment, so it maps an event the same each time. */
export interface FedFacts {
  /** What the other shape calls the record. */
  readonly type: string
  /** When the event was appended, in milliseconds since the epoch. */
  readonly appendedAt: number
}

/** One record that an event leads to. It lies under the event's own key, so the order of each key is the events'. */
export interface FeedRule {
  readonly event: MessageInfo
  readonly to: Topic
  readonly as: string
  readonly body: (data: unknown, facts: FedFacts) => object | undefined
}

/** What one service feeds in one shape. */
export interface Feed {
  /** Shared by the services that feed the same shape: a setting turns them on together. */
  readonly name: string
  readonly rules: readonly FeedRule[]
}

/** A record for an outward topic. */
export interface FedRecord {
  readonly topic: string
  readonly type: string
  readonly body: object
}

/**
 * Declares a feed. `name` is part of its consumer group's, for ever.
 *
 * @example
 * feed('order-states', [fed(OrderPlaced, { to: ordersCreated, as: 'orders.created' }, ({ orderId }) => ({ orderId }))])
 */
export function feed(name: string, rules: readonly FeedRule[]): Feed {
  return { name, rules }
}

/**
 * Maps an event to one record.
 *
 * @param body what the record holds, as JSON; undefined where this event leads to none.
 */
export function fed<Type extends AnyMessageType>(
  event: Type,
  { to, as }: { readonly to: Topic; readonly as: string },
  body: (data: DataOf<Type>, facts: FedFacts) => object | undefined,
): FeedRule {
  return { event, to, as, body: body as FeedRule['body'] }
}

/** What the rules of one event make of it, in their order. */
export function fedRecords(
  rules: readonly FeedRule[],
  { data, appendedAt }: { readonly data: unknown; readonly appendedAt: number },
): FedRecord[] {
  return rules.flatMap(({ to, as, body }) => {
    const made = body(data, { type: as, appendedAt })
    return made === undefined ? [] : [{ topic: to.name, type: as, body: made }]
  })
}

/** The outward topics of a feed, each once. */
export function topicsOfFeed({ rules }: Feed): Topic[] {
  return [...new Set(rules.map(({ to }) => to))]
}

/**
 * An amount for readers who expect a JSON number, which writes 4500.00 as 4500; up to fifteen digits it names the
 * amount exactly.
 */
export function numberOf(amount: string): number {
  return Number(amount)
}
