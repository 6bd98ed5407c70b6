// The declared services as the runtime runs them: who hears what, which table keeps what, in which order all is locked.
import type { AnyMessageType, Message, MessageInfo, Topic } from '../../kernel/message.ts'
import { EXTERNAL_SOURCE, isExternal, topicNamed } from '../../kernel/message.ts'
import type { AnyRef, Context, Held, Output, StateKind } from '../../kernel/handler.ts'
import type { AnyEffect } from '../../kernel/effect.ts'
import { type Feed, type FeedRule, topicsOfFeed } from '../../kernel/feed.ts'
import type { Fold, Projection } from '../../kernel/projection.ts'
import type { Service } from '../../kernel/service.ts'
import type { Saga } from '../../kernel/saga.ts'
import { eventsOf } from '../../kernel/saga.ts'
import { MESSAGE_DIED, messageDied } from '../../kernel/message-died.ts'
import type { AskedOfSaga } from '../../kernel/saga-acts.ts'
import { sagaActMessages, sagaActOf } from '../../kernel/saga-acts.ts'
import { movesTable } from '../copy/moves.ts'
import type { AskedOfGroup } from '../operations/pause-state.ts'
import { isPauseCommand, pauseMessages, pauseReactions, pausesKind } from '../operations/pause-state.ts'
import type { SchemaDeclaration, Table } from '../ports.ts'
import {
  PLATFORM_SCHEMA,
  alertMarksTable,
  archivedLettersTable,
  auditTable,
  buildsTable,
  cursorsTable,
  deadLettersTable,
  effectsTable,
  idempotencyTable,
  inHandTable,
  letterEditsTable,
  mirrorsTable,
  parkedKeysTable,
  parkedTable,
  parkingLotsTable,
  projectionTable,
  redriveLettersTable,
  redrivesTable,
  stateTable,
  streamsTable,
  takeoversTable,
  timersTable,
  trailTable,
} from '../store/tables.ts'
import { feedGroup } from './feed-group.ts'
import { checked, externalMessages, externalSchemas } from './external-messages.ts'
import type { SagaAlarm } from './saga-reaction.ts'
import {
  sagaDeathReaction,
  sagaInterventionReaction,
  sagaKind,
  sagaReaction,
  sagaTimerReaction,
} from './saga-reaction.ts'

/** Grows with each change of tables that older programs can't work beside; what is only added is none. */
const SCHEMA_VERSION = 3
/** Versions 1 and 2 were never released; their documents and dead letters had other columns. */
const OLDEST_SCHEMA_VERSION = 3

/** What a reaction may lead to. */
export type Outcome = Output | SagaAlarm

/** Something that a message, an answer or a timer sets off in one service. */
export interface Reaction {
  readonly service: string
  readonly name: string
  readonly loads: (data: unknown) => readonly AnyRef[]
  readonly handle: (data: unknown, held: Held, context: Context) => readonly Outcome[]
}

/** Readers of the log that move together: a service's handlers and sagas, or one projection, or one feed. */
export interface Group {
  readonly name: string
  readonly service: string
  readonly topics: readonly string[]
  readonly reactions: ReadonlyMap<string, readonly Reaction[]>
  readonly folds: ReadonlyMap<string, readonly Fold[]>
  readonly projection: Projection | undefined
  readonly fed: ReadonlyMap<string, readonly FeedRule[]>
  readonly feed: Feed | undefined
}

/** The tables that a service has whatever it is made of. */
export interface ServiceTables {
  readonly cursors: Table
  readonly idempotency: Table
  readonly parkedKeys: Table
  readonly parked: Table
  readonly deadLetters: Table
  readonly archivedLetters: Table
  readonly alertMarks: Table
  readonly streams: Table
  readonly timers: Table
  readonly effects: Table
  readonly builds: Table
}

export interface Registry {
  readonly services: readonly Service[]
  readonly groups: readonly Group[]
  readonly sagas: readonly Saga[]
  readonly messages: ReadonlyMap<string, MessageInfo>
  /** Reactions to commands that come over HTTP or from a timer, by message type. */
  readonly commands: ReadonlyMap<string, Reaction>
  /** Who handles a command that comes from outside: the one handler of its type, or the saga that it names. */
  readonly reactionTo: (command: Message) => Reaction | undefined
  readonly answers: ReadonlyMap<string, Reaction>
  readonly effects: ReadonlyMap<string, { readonly effect: AnyEffect; readonly service: string }>
  readonly sagaTimers: ReadonlyMap<string, Reaction>
  readonly tableOf: (kind: StateKind<unknown>) => Table
  readonly serviceOf: (kind: StateKind<unknown>) => string
  readonly tables: ReadonlyMap<string, ServiceTables>
  /** The one lock order over all tables that a batch may write; heads come after them. */
  readonly lockOrder: (table: Table) => number
  readonly schemas: readonly SchemaDeclaration[]
  /** The services that may append to a topic. */
  readonly sourcesOf: (topic: string) => readonly string[]
}

/** Timers of sagas are named so; every other timer carries its command. */
export function sagaTimerName(saga: string): string {
  return `saga ${saga}`
}

/** Builds the registry. Call `checkWiring` first: here the declarations are taken to be sound. */
export function buildRegistry(services: readonly Service[]): Registry {
  const kinds = new Map<StateKind<unknown>, { readonly service: string; readonly table: Table }>()
  for (const service of services) {
    for (const kind of kindsOf(service))
      kinds.set(kind, { service: service.name, table: stateTable(service.name, kind) })
  }
  const kindOf = (kind: StateKind<unknown>) => {
    const found = kinds.get(kind)
    if (found === undefined) throw new Error(`No service lists the kind ${kind.name} among its entities.`)
    return found
  }
  const tables = new Map(services.map((service) => [service.name, serviceTables(service.name)]))
  const senders = sendersOf(services)
  const commands = new Map(services.flatMap(commandReactions))
  const groups = services.flatMap(groupsOf)
  const byHand = new Map([...services.flatMap(interventionReactions), ...groups.flatMap(pausesOf)])
  return {
    services,
    groups,
    sagas: services.flatMap(({ sagas }) => sagas),
    messages: new Map(
      [messageDied, ...sagaActMessages, ...pauseMessages, ...services.flatMap(messagesOf)].map((message) => [
        message.type,
        message,
      ]),
    ),
    commands,
    reactionTo: (command) => byHand.get(addressOf(command)) ?? commands.get(command.type),
    answers: new Map(services.flatMap(answerReactions)),
    effects: new Map(
      services.flatMap(({ name, answers }) => answers.map(({ effect }) => [effect.effect, { effect, service: name }])),
    ),
    sagaTimers: new Map(
      services.flatMap(({ name, sagas }) =>
        sagas.map((saga) => [sagaTimerName(saga.name), sagaTimerReaction(name, saga)]),
      ),
    ),
    tableOf: (kind) => kindOf(kind).table,
    serviceOf: (kind) => kindOf(kind).service,
    tables,
    lockOrder: lockOrderOf(services, tables),
    schemas: schemasOf(services, tables, senders),
    sourcesOf: (topic) => senders.get(topic) ?? [],
  }
}

/** Everything that can be in hand. */
export function reactionsOf({ groups, commands, answers, sagaTimers }: Registry): Reaction[] {
  const heard = groups.flatMap(({ reactions }) => [...reactions.values()].flat())
  return [...new Set([...heard, ...commands.values(), ...answers.values(), ...sagaTimers.values()])]
}

/** Every kind of state of a service; a saga's instances are one. */
export function kindsOf(service: Service): StateKind<unknown>[] {
  return [
    ...service.aggregates.map(({ kind }) => kind as StateKind<unknown>),
    ...service.sagas.map((saga) => sagaKind(saga) as StateKind<unknown>),
    ...service.entities,
    pausesKind(service.name),
  ]
}

function handlersOf(service: Service) {
  return [...service.aggregates.flatMap(({ handlers }) => handlers), ...service.handlers]
}

function serviceTables(schema: string): ServiceTables {
  return {
    cursors: cursorsTable(schema),
    idempotency: idempotencyTable(schema),
    parkedKeys: parkedKeysTable(schema),
    parked: parkedTable(schema),
    deadLetters: deadLettersTable(schema),
    archivedLetters: archivedLettersTable(schema),
    alertMarks: alertMarksTable(schema),
    streams: streamsTable(schema),
    timers: timersTable(schema),
    effects: effectsTable(schema),
    builds: buildsTable(schema),
  }
}

function groupsOf(service: Service): Group[] {
  const reactions = new Map<string, Reaction[]>()
  const heard = new Map<string, MessageInfo>()
  const hear = (message: MessageInfo, reaction: Reaction) => {
    heard.set(message.type, message)
    reactions.set(message.type, [...(reactions.get(message.type) ?? []), reaction])
  }
  for (const handler of handlersOf(service)) {
    const reaction = { ...handler, service: service.name }
    hear(handler.message, isExternal(handler.message) ? checked(handler.message, reaction) : reaction)
  }
  for (const saga of service.sagas) {
    for (const event of eventsOf(saga).values()) hear(event, sagaReaction(service.name, saga, event))
  }
  // Those that a saga sends to append their events where it listens for its answers.
  const deaths = service.sagas.map((saga) => sagaDeathReaction(service.name, saga))
  if (deaths.length > 0) reactions.set(MESSAGE_DIED, deaths)
  const main: Group = {
    name: service.name,
    service: service.name,
    topics: topicsOf(heard.values()),
    reactions,
    folds: new Map(),
    projection: undefined,
    fed: new Map(),
    feed: undefined,
  }
  const others = [
    ...service.projections.map((projection) => projectionGroup(service.name, projection)),
    ...service.activeFeeds.map((feed) => feedGroup(service.name, feed)),
  ]
  return heard.size === 0 ? others : [main, ...others]
}

/** The group of a projection; its name is what its cursors are kept under. */
export function projectionGroup(service: string, projection: Projection): Group {
  const folds = new Map<string, Fold[]>()
  for (const fold of projection.folds) folds.set(fold.event.type, [...(folds.get(fold.event.type) ?? []), fold])
  return {
    name: `${service}.${projection.name}`,
    service,
    topics: topicsOf(projection.folds.map(({ event }) => event)),
    reactions: new Map(),
    folds,
    projection,
    fed: new Map(),
    feed: undefined,
  }
}

function topicsOf(messages: Iterable<MessageInfo>): string[] {
  return [...new Set([...messages].map(({ topic }) => topic))].toSorted()
}

function commandReactions(service: Service): (readonly [string, Reaction])[] {
  return handlersOf(service)
    .filter(({ message }) => message.kind === 'command')
    .map((handler) => [handler.message.type, { ...handler, service: service.name }])
}

/** Commands of the platform are addressed to the saga or the group that they name. */
function addressOf(command: Message): string {
  const { type, data } = command
  if (sagaActOf(command) !== undefined) return `${(data as AskedOfSaga).saga} ${type}`
  return isPauseCommand(command) ? `${(data as AskedOfGroup).group} ${type}` : type
}

function pausesOf({ name, service }: Group): (readonly [string, Reaction])[] {
  return pauseReactions(service).map(([type, reaction]) => [`${name} ${type}`, reaction])
}

/** By the saga's name and the command's type, since every saga takes the same commands. */
function interventionReactions({ name, sagas }: Service): (readonly [string, Reaction])[] {
  return sagas.flatMap((saga) =>
    sagaActMessages.map(({ type }) => [`${saga.name} ${type}`, sagaInterventionReaction(name, saga, type)] as const),
  )
}

function answerReactions(service: Service): (readonly [string, Reaction])[] {
  return service.answers.map(({ effect, handler }) => [effect.effect, { ...handler, service: service.name }])
}

/** What a service may append: its events, and the commands that its handlers and sagas say. */
export function saidBy(service: Service): AnyMessageType[] {
  const says = [...handlersOf(service), ...service.answers.map(({ handler }) => handler)].flatMap((rule) => rule.says)
  const messages = says.filter((said): said is AnyMessageType => 'type' in said)
  return [...new Set([...service.publishes, ...messages, ...service.sagas.flatMap((saga) => saga.says)])]
}

function messagesOf(service: Service): MessageInfo[] {
  return [...saidBy(service), ...handlersOf(service).map(({ message }) => message)]
}

function sendersOf(services: readonly Service[]): ReadonlyMap<string, readonly string[]> {
  const senders = new Map<string, Set<string>>()
  for (const service of services) {
    const topics = new Set(saidBy(service).map(({ topic }) => topic))
    // Whoever handles messages may have to say that one died.
    if (handlersOf(service).length + service.sagas.length > 0) topics.add(`${service.name}.events`)
    for (const topic of topics) senders.set(topic, (senders.get(topic) ?? new Set()).add(service.name))
  }
  for (const { name, activeFeeds } of services)
    for (const topic of activeFeeds.flatMap(topicsOfFeed)) senders.set(topic.name, new Set([name]))
  for (const topic of externalMessages(services).keys()) senders.set(topic, new Set([EXTERNAL_SOURCE]))
  return new Map([...senders].map(([topic, names]) => [topic, [...names].toSorted()]))
}

function schemasOf(
  services: readonly Service[],
  tables: ReadonlyMap<string, ServiceTables>,
  senders: ReadonlyMap<string, readonly string[]>,
): SchemaDeclaration[] {
  const own = services.map((service): SchemaDeclaration => {
    const topics = [...senders].filter(([, names]) => names.includes(service.name)).map(([topic]) => topicNamed(topic))
    return {
      schema: service.name,
      version: SCHEMA_VERSION,
      oldest: OLDEST_SCHEMA_VERSION,
      tables: [
        ...Object.values(tables.get(service.name) ?? {}),
        ...kindsOf(service).map((kind) => stateTable(service.name, kind)),
        ...service.projections.map((projection) => projectionTable(service.name, projection, 1)),
      ],
      topics: topics.map(({ name, partitions }: Topic) => ({ name, partitions })),
    }
  })
  return [
    {
      schema: PLATFORM_SCHEMA,
      version: SCHEMA_VERSION,
      tables: [
        trailTable,
        parkingLotsTable,
        auditTable,
        takeoversTable,
        inHandTable,
        redrivesTable,
        redriveLettersTable,
        letterEditsTable,
        movesTable,
        mirrorsTable,
      ],
      topics: [],
    },
    ...own,
    ...externalSchemas(services, SCHEMA_VERSION),
  ]
}

/**
 * Cursors, keys, jobs, parking, streams, sagas, entities, timers, effects, projections, trail, audit, takeovers;
 * each by name.
 */
function lockOrderOf(
  services: readonly Service[],
  tables: ReadonlyMap<string, ServiceTables>,
): (table: Table) => number {
  const ranks = new Map<string, number>()
  const rank = (table: Table, order: number) => ranks.set(`${table.schema}.${table.name}`, order)
  for (const service of services) {
    const own = tables.get(service.name)
    if (own === undefined) continue
    rank(own.cursors, 0)
    rank(own.idempotency, 1)
    rank(own.parkedKeys, 3)
    rank(own.parked, 4)
    rank(own.deadLetters, 5)
    rank(own.streams, 6)
    for (const saga of service.sagas) rank(stateTable(service.name, sagaKind(saga)), 7)
    for (const kind of [...service.aggregates.map((aggregate) => aggregate.kind), ...service.entities]) {
      rank(stateTable(service.name, kind), 8)
    }
    rank(own.timers, 9)
    rank(own.effects, 10)
    rank(own.builds, 11)
    rank(own.alertMarks, 11)
    rank(own.archivedLetters, 11)
  }
  rank(redrivesTable, 1)
  rank(redriveLettersTable, 1)
  rank(letterEditsTable, 1)
  rank(parkingLotsTable, 2)
  rank(trailTable, 13)
  rank(auditTable, 14)
  rank(takeoversTable, 15)
  rank(inHandTable, 16)
  // Asked some hundred times a batch: tables are few and last, so each is looked up by its name once.
  const known = new WeakMap<Table, number>()
  return (table) => {
    let order = known.get(table)
    if (order === undefined) known.set(table, (order = ranks.get(`${table.schema}.${table.name}`) ?? 12))
    return order
  }
}
