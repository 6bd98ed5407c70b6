// The page of the consumer groups: who reads which topic and what for; and of the sagas and effects beside them.
import type { AnyEffect } from '../../src/kernel/effect.ts'
import type { Saga, Step } from '../../src/kernel/saga.ts'
import type { Group, Registry } from '../../src/platform/runtime/registry.ts'
import { code, codes, page, table } from './markdown.ts'

export function groupsPage(registry: Registry): string {
  return page(
    'Groups, sagas and effects',
    "Generated from the services' declarations by `npm run reference`. A group reads its topics with a " +
      'cursor for each partition and source: a service with its handlers and sagas is one, each projection is ' +
      'another. `lonja describe` shows how far each is.',
    [
      '## Consumer groups',
      table(['Group', 'Topics', 'What it does'], registry.groups.map(groupRow)),
      'Each feed that is on has a group in every service that it reads, as `orders.order-states`; ' +
        '[Topics and messages](messages.md#outward-topics) lists them.',
      '## Sagas',
      ...registry.sagas.flatMap(sagaPart),
      '## Effects',
      'The only code that calls other systems: outside any transaction, one call at a time per key.',
      table(
        ['Effect', 'Service', 'Limit of a try', 'Tries', 'At once'],
        [...registry.effects].map(([name, { service, effect }]) => effectRow(name, service, effect)),
      ),
    ],
  )
}

function groupRow({ name, topics, reactions, folds, projection }: Group): readonly string[] {
  const types = projection === undefined ? [...reactions.keys()] : [...folds.keys()]
  const what = projection === undefined ? 'handles' : `keeps the table ${code(projection.name)} by`
  return [code(name), codes(topics), `${what} ${codes(types.toSorted())}`]
}

function sagaPart(saga: Saga): string[] {
  const { name, starts, stops, succeeds, fails, steps, key } = saga
  const ends = `ends with ${code(succeeds.done.type)} or ${code(fails.done.type)}`
  const stopped = stops.length === 0 ? '' : `, is stopped by ${codes(stops.map(({ type }) => type))}`
  return [
    `### ${name}`,
    `Begins with ${code(starts.type)}, one for each ${code(key)}${stopped}, ${ends}. It sends ` +
      `${codes(saga.says.map(({ type }) => type))}.`,
    table(['Step', 'Done', 'Refused', 'Undone', 'Waits', 'Reason when late'], steps.map(stepRow)),
  ]
}

function stepRow({ name, done, refused, undone, within, late }: Step<unknown>): readonly string[] {
  const limit = typeof within === 'string' ? within : 'by payment method'
  return [name, code(done.type), code(refused?.type ?? ''), code(undone?.type ?? ''), limit, code(late)]
}

function effectRow(name: string, service: string, { rules }: AnyEffect): readonly string[] {
  const { timeoutMs, retryDelaysMs, concurrency } = rules
  return [code(name), service, `${timeoutMs / 1000} s`, String(retryDelaysMs.length + 1), String(concurrency)]
}
