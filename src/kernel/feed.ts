// Feeds: an event mapped to a record on an outward topic, in somebody else's shape.
import type { AnyMessageType, DataOf, MessageInfo } from './message.ts'

export interface Feed {
  /** The outward topic. */
  readonly topic: string
  readonly event: MessageInfo
  readonly record: (data: unknown) => { readonly key: string; readonly value: unknown }
}

/** Declares a feed: one pure function a shape. */
export function feed<Type extends AnyMessageType>(
  topic: string,
  event: Type,
  record: (data: DataOf<Type>) => { readonly key: string; readonly value: unknown },
): Feed {
  return { topic, event, record: record as Feed['record'] }
}
