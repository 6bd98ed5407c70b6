// `lonja describe`: what runs and how far it is: services, topics, consumer groups with their lag, handlers, effects.
import type { GroupLag } from '../platform/application.ts'
import type { ParkedCounts } from '../platform/parking/parking.ts'
import { countOpenEffects } from '../platform/runtime/count-effects.ts'
import type { Lonja } from '../platform/runtime/lonja.ts'
import { EXIT, isSet, noWords, type Call } from './command.ts'
import { readDatabase } from './read-database.ts'
import { tableOf } from './terminal.ts'
import { listTopics } from './topics.ts'

export async function describe(call: Call): Promise<number> {
  noWords(call)
  const { settings, terminal } = call
  const description = await readDatabase(settings, describeAll)
  if (isSet(call, 'json')) terminal.json(description)
  else for (const line of linesOf(description)) terminal.line(line)
  return EXIT.ok
}

async function describeAll(lonja: Lonja) {
  return {
    services: lonja.services.map(({ name, summary, routes, sagas, projections }) => ({
      name,
      summary,
      routes: routes.map(({ method, path }) => `${method} ${path}`),
      sagas: sagas.map((saga) => saga.name),
      projections: projections.map((projection) => projection.name),
    })),
    topics: listTopics().map(({ name, partitions, sources }) => ({ name, partitions, sources })),
    groups: groupsOf(lonja, await lonja.lags()),
    effects: await effectsOf(lonja),
  }
}
type Description = Awaited<ReturnType<typeof describeAll>>

function groupsOf(lonja: Lonja, lags: readonly GroupLag[]) {
  return lonja.registry.groups.map(({ name, service, topics, reactions, folds, projection }) => {
    const own = lags.filter(({ group }) => group === name)
    const handlers = [...reactions].flatMap(([type, each]) => each.map((reaction) => ({ type, name: reaction.name })))
    return {
      name,
      service,
      topics,
      lag: own.reduce((sum, { head, next }) => sum + Math.max(0, head - next), 0),
      read: own.reduce((sum, { next }) => sum + next, 0),
      parked: lonja.parked(name),
      oneByOne: own.flatMap(({ topic, partition, oneByOne }) =>
        oneByOne === undefined ? [] : [`${topic}/${partition} ${oneByOne}`],
      ),
      handlers: projection === undefined ? handlers : [...folds.keys()].map((type) => ({ type, name: 'fold' })),
    }
  })
}

async function effectsOf(lonja: Lonja) {
  const open = await countOpenEffects(lonja)
  return [...lonja.registry.effects].map(([name, { service, effect }]) => {
    const { timeoutMs, concurrency, retryDelaysMs } = effect.rules
    return { name, service, timeoutMs, concurrency, tries: retryDelaysMs.length + 1, open: open[name] ?? 0 }
  })
}

function linesOf({ services, topics, groups, effects }: Description): string[] {
  return [
    ...part(
      'SERVICES',
      services.map(({ name, summary }) => [name, summary]),
    ),
    ...part(
      'TOPICS',
      topics.map(({ name, partitions, sources }) => [name, `${partitions} partitions`, sources.join(', ')]),
    ),
    ...part(
      'CONSUMER GROUPS',
      groups.map(({ name, lag, read, parked, oneByOne, topics: heard }) => {
        const alone = oneByOne.map((each) => `; ${each}`).join('')
        return [name, `lag ${lag}`, `read ${read}`, `${parkedText(parked)}${alone}`, heard.join(', ')]
      }),
    ),
    ...part(
      'HANDLERS',
      groups.flatMap(({ name, handlers }) => handlers.map((handler) => [name, handler.type, handler.name])),
    ),
    ...part(
      'EFFECTS',
      effects.map(({ name, service, open, concurrency, timeoutMs, tries }) => [
        name,
        service,
        `${open} open`,
        `${concurrency} at once`,
        `${timeoutMs / 1000} s a try, ${tries} tries`,
      ]),
    ),
  ].slice(0, -1)
}

function parkedText({ keys, held, messages }: ParkedCounts): string {
  return keys === 0 ? 'nothing parked' : `${keys} keys parked (${held} held), ${messages} messages`
}

function part(title: string, rows: readonly (readonly string[])[]): string[] {
  return [title, ...tableOf(rows).map((line) => `  ${line}`), '']
}
