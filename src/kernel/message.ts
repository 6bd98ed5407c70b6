// The words of a contract: a service's topics and the events and commands that travel on them.
import { z } from 'zod'
import { type Duration, milliseconds } from './duration.ts'

/** One message: what happened (an event, past tense) or what is asked (a command, imperative). */
export interface Message<Type extends string = string, Data = unknown> {
  readonly type: Type
  readonly data: Data
}

/** What is known of a message type without its body's static type: enough to route, describe and document it. */
export interface MessageInfo {
  readonly type: string
  readonly kind: 'event' | 'command'
  readonly service: string
  readonly topic: string
  /** The field of the body whose value decides the partition, and so what is kept in order. */
  readonly key: string
  readonly schema: z.ZodObject
}

/** A message type is a function that makes its messages: `StockReserved({ orderId })`. */
export interface MessageType<
  Type extends string,
  Data,
  Kind extends string,
  Service extends string,
> extends MessageInfo {
  (data: Data): Message<Type, Data>
  readonly type: Type
  readonly kind: Kind & ('event' | 'command')
  readonly service: Service
}

/** Anything that can be called to make a message; `never` lets every message type pass. */
export type AnyMessageType = MessageInfo & ((data: never) => Message)

/** The body of a message type. */
export type DataOf<Type> = Type extends (data: infer Data) => unknown ? Data : never

/** The messages that a message type makes. */
export type MessageOf<Type> = Type extends (data: never) => infer Made ? Made : never

/** How a topic is kept; `partitions` counts at its creation, growing is a later operation. */
export interface TopicOptions {
  readonly partitions?: number
  /**
   * How long a record stays at least; it goes once every group that reads the topic has passed it, too. A topic that a
   * projection reads is kept for ever: the projection is made anew from it.
   */
  readonly keep?: Duration | 'for ever'
  readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
}

export interface Topic extends Required<TopicOptions> {
  readonly name: string
  readonly service: string
  /** `outward` carries records in somebody else's shape: nobody here reads it. `external` is written by others. */
  readonly kind: 'events' | 'commands' | 'outward' | 'external'
}

/** Six partitions divide evenly among 1, 2, 3 and 6 processes. */
const DEFAULT_TOPIC = { partitions: 6, compression: 'lz4' } as const

/** Events are what happened; a command that was carried out is of use only to whoever looks into its order. */
const DEFAULT_KEEP = { events: 'for ever', commands: '7 d' } as const

interface MessageOptions<Shape extends z.ZodRawShape> {
  readonly key: keyof Shape & string
  readonly body: Shape
}

/** Every topic that any contract declared, by name: what `describe`, the topic script and the log read. */
const declaredTopics = new Map<string, Topic>()

function declared(topic: Topic): Topic {
  declaredTopics.set(topic.name, topic)
  return topic
}

function declareTopic(service: string, kind: 'events' | 'commands', options: TopicOptions): Topic {
  return declared({
    ...DEFAULT_TOPIC,
    keep: DEFAULT_KEEP[kind],
    ...options,
    name: `${service}.${kind}`,
    service,
    kind,
  })
}

/** The topic, where a contract declares one of this name. */
export function topicIfDeclared(name: string): Topic | undefined {
  return declaredTopics.get(name)
}

/** How long the records of a topic stay at least, in milliseconds; without end where they stay for ever. */
export function keptMs({ keep }: Pick<Topic, 'keep'>): number {
  return keep === 'for ever' ? Number.POSITIVE_INFINITY : milliseconds(keep)
}

/** @throws when no contract declares the topic. */
export function topicNamed(name: string): Topic {
  const topic = declaredTopics.get(name)
  if (topic === undefined) throw new Error(`No contract declares the topic ${name}.`)
  return topic
}

/**
 * Opens the contract of a service: its two topics and the makers of its messages.
 *
 * @example
 * const inventory = contract('inventory')
 * const StockReserved = inventory.event('StockReserved', { key: 'orderId', body: { orderId: z.string() } })
 * StockReserved({ orderId: '7' }).type // 'StockReserved'
 */
export function contract<Service extends string>(
  service: Service,
  topics: { readonly events?: TopicOptions; readonly commands?: TopicOptions } = {},
) {
  const events = declareTopic(service, 'events', topics.events ?? {})
  const commands = declareTopic(service, 'commands', topics.commands ?? {})
  function define<Type extends string, Shape extends z.ZodRawShape, Kind extends 'event' | 'command'>(
    kind: Kind,
    type: Type,
    { key, body }: MessageOptions<Shape>,
  ): MessageType<Type, z.output<z.ZodObject<Shape>>, Kind, Service> {
    const make = (data: z.output<z.ZodObject<Shape>>) => ({ type, data })
    const topic = kind === 'event' ? events.name : commands.name
    return Object.assign(make, { type, kind, service, topic, key, schema: z.object(body) })
  }
  return {
    service,
    topics: [events, commands] as const,
    /** A topic of a feed, under the name that its readers know. Nothing of it is made while its feed is off. */
    outward: (name: string, options: Required<TopicOptions>): Topic =>
      declared({ ...options, name, service, kind: 'outward' }),
    event: <Type extends string, Shape extends z.ZodRawShape>(type: Type, options: MessageOptions<Shape>) =>
      define('event', type, options),
    command: <Type extends string, Shape extends z.ZodRawShape>(type: Type, options: MessageOptions<Shape>) =>
      define('command', type, options),
  }
}

/** Stands for whoever writes a topic that is somebody else's: no service has this name. */
export const EXTERNAL_SOURCE = 'external' as const

interface ExternalOptions<Type extends string, Shape extends z.ZodRawShape> extends MessageOptions<Shape> {
  /** What its records are called here. */
  readonly type: Type
  /** As many as the topic has on Kafka: a record in a partition above these would never be read. */
  readonly partitions: number
}

/**
 * A topic of Kafka that somebody else writes, whose records are bodies in JSON. They are handled like any message; one
 * that does not fit the schema dies. Its order is kept by the key where a partition keeps it, and by nothing else.
 *
 * @example
 * const ParcelScanned = external('carrier.scans', {
 *   type: 'ParcelScanned', partitions: 3, key: 'parcelId', body: { parcelId: z.string(), place: z.string() },
 * })
 * ParcelScanned.topic // 'carrier.scans'
 */
export function external<const Type extends string, Shape extends z.ZodRawShape>(
  topic: string,
  { type, partitions, key, body }: ExternalOptions<Type, Shape>,
): MessageType<Type, z.output<z.ZodObject<Shape>>, 'event', typeof EXTERNAL_SOURCE> {
  const service = EXTERNAL_SOURCE
  const kept = { ...DEFAULT_TOPIC, keep: DEFAULT_KEEP.commands }
  declaredTopics.set(topic, { ...kept, name: topic, service, kind: 'external', partitions })
  const make = (data: z.output<z.ZodObject<Shape>>) => ({ type, data })
  return Object.assign(make, { type, kind: 'event' as const, service, topic, key, schema: z.object(body) })
}

export function isExternal({ service }: Pick<MessageInfo, 'service'>): boolean {
  return service === EXTERNAL_SOURCE
}

/** The value of a message's key field: what its order is kept by. */
export function keyOf(type: Pick<MessageInfo, 'type' | 'key'>, data: unknown): string {
  const key = (data as Record<string, unknown>)[type.key]
  if (typeof key !== 'string' || key === '') throw new Error(`${type.type} came without its key ${type.key}.`)
  return key
}

/** Fields that tell who a person is: never in logs, metrics or error texts, and later sealed with the person's key. */
const personalFields = z.registry<{ personal: true }>()

/** Marks a field of a contract as personal. */
export function personal<Schema extends z.ZodType>(schema: Schema): Schema {
  personalFields.add(schema, { personal: true })
  return schema
}

/** Whether `personal()` marked this schema. */
export function isPersonal(schema: z.ZodType): boolean {
  return personalFields.has(schema)
}
