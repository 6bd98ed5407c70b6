// What types can't say about the wiring of services, said at start with a sentence for each thing that is wrong.
import { topicsOfFeed } from '../../kernel/feed.ts'
import type { AnyMessageType } from '../../kernel/message.ts'
import { EXTERNAL_SOURCE, isExternal, keptMs, topicNamed } from '../../kernel/message.ts'
import type { Service } from '../../kernel/service.ts'
import type { Saga } from '../../kernel/saga.ts'
import { eventsOf, sagaProblems } from '../../kernel/saga.ts'
import { parkingProblems } from '../parking/policy.ts'
import { feedProblems } from './feed-problems.ts'
import { kindsOf, saidBy } from './registry.ts'

/** @throws with every finding, one a line. */
export function checkWiring(services: readonly Service[]): void {
  const problems = [
    ...duplicates(services),
    ...services.flatMap((service) => unhandledCommands(service, services)),
    ...services.flatMap((service) => service.sagas.flatMap((saga) => unheardAnswers(service, saga, services))),
    ...services.flatMap((service) => service.sagas.flatMap(sagaProblems)),
    ...services.flatMap((service) => unpublishedEvents(service)),
    ...services.flatMap((service) => silentSources(service, services)),
    ...services.flatMap((service) => parkingProblems(service, topicsReadBy(service))),
    ...services.flatMap(forgetfulTopics),
    ...services.flatMap(feedProblems),
    ...services.flatMap(externalFolds),
    ...oddExternals(services),
  ]
  if (problems.length > 0) throw new Error(`The services do not fit together:\n- ${problems.join('\n- ')}`)
}

function duplicates(services: readonly Service[]): string[] {
  const problems: string[] = []
  const seen = new Map<string, string>()
  const claim = (what: string, name: string, service: string) => {
    const owner = seen.get(`${what} ${name}`)
    if (owner !== undefined) problems.push(`${what} ${name} is declared by ${owner} and by ${service}.`)
    seen.set(`${what} ${name}`, service)
  }
  for (const service of services) {
    claim('The service', service.name, service.name)
    for (const event of service.publishes) claim('The event', event.type, service.name)
    for (const kind of kindsOf(service)) claim('The table', `${service.name}.${kind.name}`, service.name)
    for (const { name } of service.projections) claim('The table', `${service.name}.${name}`, service.name)
    for (const { name } of [...service.projections, ...service.feeds]) {
      claim('The group', `${service.name}.${name}`, service.name)
    }
    for (const { name } of [...service.topics, ...service.feeds.flatMap(topicsOfFeed)]) {
      claim('The topic', name, service.name)
    }
    for (const { effect } of service.answers) claim('The effect', effect.effect, service.name)
    for (const { method, path } of service.routes) claim('The route', `${method} ${path}`, service.name)
  }
  return problems
}

function handles(service: Service, type: string): boolean {
  const handlers = [...service.aggregates.flatMap((aggregate) => aggregate.handlers), ...service.handlers]
  return handlers.some(({ message }) => message.type === type)
}

function unhandledCommands(service: Service, services: readonly Service[]): string[] {
  return saidBy(service)
    .filter(({ kind }) => kind === 'command')
    .filter((command) => !services.some((other) => other.name === command.service && handles(other, command.type)))
    .map((command) => `${service.name} sends ${command.type}, which ${command.service} does not handle.`)
}

function publishes(services: readonly Service[], event: AnyMessageType): boolean {
  return services.some((service) => service.publishes.some(({ type }) => type === event.type))
}

function unheardAnswers(service: Service, saga: Saga, services: readonly Service[]): string[] {
  const answers = saga.steps.flatMap(({ name, done, refused, undone }) => {
    return [done, refused, undone].flatMap((event) => (event === undefined ? [] : [{ at: `step ${name}`, event }]))
  })
  const all = [
    { at: 'start', event: saga.starts },
    ...answers,
    ...saga.stops.map((event) => ({ at: 'stops', event })),
    { at: 'end', event: saga.succeeds.done },
    { at: 'end', event: saga.fails.done },
    ...(saga.givenUp === undefined ? [] : [{ at: 'end', event: saga.givenUp }]),
  ]
  return all
    .filter(({ event }) => !publishes(services, event))
    .map(
      ({ at, event }) =>
        `The saga ${saga.name} of ${service.name} waits at its ${at} for ${event.type}, which nobody publishes.`,
    )
}

function unpublishedEvents(service: Service): string[] {
  return saidBy(service)
    .filter(({ kind, type }) => kind === 'event' && !service.publishes.some((event) => event.type === type))
    .map(({ type }) => `${service.name} says ${type} but does not list it under publishes.`)
}

/** The topics from which a message can come that the service fails at. */
function topicsReadBy(service: Service): ReadonlySet<string> {
  const handlers = [...service.aggregates.flatMap((aggregate) => aggregate.handlers), ...service.handlers]
  return new Set([
    ...handlers.map(({ message }) => message.topic),
    ...service.sagas.flatMap((saga) => [...eventsOf(saga).values()].map(({ topic }) => topic)),
    ...service.projections.flatMap(({ folds }) => folds.map(({ event }) => event.topic)),
  ])
}

/** A handler or a fold of an event that no service publishes would wait for ever. */
function silentSources(service: Service, services: readonly Service[]): string[] {
  const heard = [
    ...service.handlers.map(({ message }) => message),
    ...service.projections.flatMap(({ folds }) => folds.map(({ event }) => event)),
  ]
  return heard
    .filter(
      ({ kind, type, service: from }) =>
        kind === 'event' &&
        from !== EXTERNAL_SOURCE &&
        !services.some((other) => other.publishes.some((event) => event.type === type)),
    )
    .map(({ type }) => `${service.name} hears ${type}, which nobody publishes.`)
}

/** A projection is made anew from logs that are kept for ever: nobody promises that of somebody else's. */
function externalFolds({ name, projections }: Service): string[] {
  return projections.flatMap((projection) =>
    projection.folds
      .filter(({ event }) => isExternal(event))
      .map(({ event }) => {
        const reads = `The projection ${name}.${projection.name} reads ${event.topic}, which is somebody else's`
        return `${reads}: have a handler say an event of its own, and read that.`
      }),
  )
}

/** Two contracts may name one topic, but it has one shape. */
function oddExternals(services: readonly Service[]): string[] {
  const heard = new Set(
    services.flatMap((service) => service.handlers.map(({ message }) => message)).filter(isExternal),
  )
  const byTopic = Map.groupBy(heard, ({ topic }) => topic)
  const own = new Set(services.flatMap(({ topics }) => topics.map(({ name }) => name)))
  return [...byTopic].flatMap(([topic, messages]) => [
    ...(messages.length > 1
      ? [`${topic} is declared ${messages.length} times as somebody else's topic: once is enough.`]
      : []),
    ...(own.has(topic) ? [`${topic} is declared as somebody else's topic, and a service of ours writes it.`] : []),
  ])
}

/** What is rebuilt from records that went would lack what they told. */
function forgetfulTopics({ name, projections }: Service): string[] {
  return projections.flatMap((projection) => {
    const topics = [...new Set(projection.folds.map(({ event }) => event.topic))].map(topicNamed)
    return topics
      .filter((topic) => Number.isFinite(keptMs(topic)))
      .map((topic) => {
        const reads = `The projection ${name}.${projection.name} reads ${topic.name}`
        return `${reads}, which is kept ${topic.keep}: keep it for ever.`
      })
  })
}
