// A service at a glance: everything that it is made of, in one declaration.
import type { CodeTable } from './refuse.ts'
import type { FaultTable } from './fault.ts'
import type { ServiceParking } from './parking.ts'
import type { AnyMessageType, Topic } from './message.ts'
import type { Handler, StateKind } from './handler.ts'
import type { AnyAggregate } from './aggregate.ts'
import type { AnswerHandler } from './effect.ts'
import type { Saga } from './saga.ts'
import type { Projection } from './projection.ts'
import type { Feed } from './feed.ts'
import type { Route } from './route.ts'

export interface ServiceRules<Name extends string> {
  readonly name: Name
  readonly summary: string
  readonly contract: { readonly service: Name; readonly topics: readonly Topic[] }
  readonly codes: CodeTable
  /** Every event that the service appends. */
  readonly publishes: readonly (AnyMessageType & { readonly kind: 'event'; readonly service: Name })[]
  readonly aggregates?: readonly AnyAggregate<Name>[]
  readonly entities?: readonly StateKind<unknown>[]
  readonly handlers?: readonly Handler<Name>[]
  readonly answers?: readonly AnswerHandler<Name>[]
  readonly sagas?: readonly Saga[]
  readonly projections?: readonly Projection[]
  readonly feeds?: readonly Feed[]
  readonly routes?: readonly Route[]
  /** Which of its errors can pass by themselves, by code or name. */
  readonly faults?: FaultTable
  /** What becomes of messages that its handlers can not handle; by default their key waits for a person. */
  readonly parking?: ServiceParking
}

export interface Service {
  readonly name: string
  readonly summary: string
  readonly topics: readonly Topic[]
  readonly codes: CodeTable
  readonly publishes: readonly AnyMessageType[]
  readonly aggregates: readonly AnyAggregate[]
  readonly entities: readonly StateKind<unknown>[]
  readonly handlers: readonly Handler[]
  readonly answers: readonly AnswerHandler[]
  readonly sagas: readonly Saga[]
  readonly projections: readonly Projection[]
  readonly feeds: readonly Feed[]
  /** Those of them that a setting turned on: of the others nothing runs, and nothing is made. */
  readonly activeFeeds: readonly Feed[]
  readonly routes: readonly Route[]
  readonly faults: FaultTable
  readonly parking: ServiceParking
}

/** Declares a service. A handler that says another service's event does not compile. */
export function service<const Name extends string>(
  rules: { readonly name: Name } & ServiceRules<NoInfer<Name>>,
): Service {
  const {
    contract,
    aggregates,
    entities,
    handlers,
    answers,
    sagas,
    projections,
    feeds,
    routes,
    faults,
    parking,
    ...rest
  } = rules
  return {
    ...rest,
    topics: contract.topics,
    aggregates: aggregates ?? [],
    entities: entities ?? [],
    handlers: handlers ?? [],
    answers: answers ?? [],
    sagas: sagas ?? [],
    projections: projections ?? [],
    feeds: feeds ?? [],
    activeFeeds: [],
    routes: routes ?? [],
    faults: faults ?? {},
    parking: parking ?? {},
  }
}

/** The service with those of its feeds turned on that are named. */
export function withFeeds(service: Service, names: readonly string[]): Service {
  const activeFeeds = service.feeds.filter(({ name }) => names.includes(name))
  return activeFeeds.length === 0 ? service : { ...service, activeFeeds }
}
