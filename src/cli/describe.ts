// `lonja describe`: what runs and how far it is: services, topics, consumer groups with their lag, handlers, effects.
import type { GroupLag } from '../platform/application.ts'
import type { ParkedCounts } from '../platform/parking/parking.ts'
import { countOpenEffects } from '../platform/runtime/count-effects.ts'
import type { Lonja } from '../platform/runtime/lonja.ts'
import { bodyOf, openApi, serverOf } from './api.ts'
import { CommandError, EXIT, isSet, noWords, type Call } from './command.ts'
import { statesText, type ServedGroup } from './pause.ts'
import { readDatabase } from './read-database.ts'
import { tableOf } from './terminal.ts'
import { listTopics } from './topics.ts'

export async function describe(call: Call): Promise<number> {
  noWords(call)
  const { settings, terminal } = call
  const read = await readDatabase(settings, describeAll)
  const served = await askServer(settings)
  // Another database's server, at the same address, knows nothing of this one.
  const groups = read.groups.map(({ logId, ...group }) => {
    const known = served?.find((one) => one.group === group.name && one.logId === logId)
    return { ...group, stands: known === undefined ? null : standing(known) }
  })
  const description = { ...read, groups }
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
    topics: describedTopics(lonja),
    groups: groupsOf(lonja, await lonja.lags(), await logsOf(lonja)),
    effects: await effectsOf(lonja),
  }
}
/** Every topic with how many records are kept of it, and how many were deleted after their time. */
export function describedTopics({ runtimes: [runtime], registry }: Pick<Lonja, 'runtimes' | 'registry'>) {
  const channels = Map.groupBy(runtime?.channels.all ?? [], ({ topic }) => topic)
  return listTopics(registry.services).map(({ name, partitions: declared, keep, sources }) => {
    const own = channels.get(name) ?? []
    // Each source may have been scaled by itself; what the contract says is only what a new database begins with.
    const partitions = Math.max(...own.map((channel) => channel.partitions), own.length === 0 ? declared : 0)
    const generation = Math.max(...own.map((channel) => channel.generation), 1)
    const deleted = own.reduce((sum, { first }) => sum + first, 0)
    const records = own.reduce((sum, { next }) => sum + next, 0) - deleted
    return { name, partitions, generation, keep, records, deleted, sources }
  })
}

type Read = Awaited<ReturnType<typeof describeAll>>
type Description = Omit<Read, 'groups'> & {
  readonly groups: readonly (Omit<Read['groups'][number], 'logId'> & { readonly stands: string | null })[]
}

/** What a group stopped at is in the memory of its server; without one, or without its key, that is not told. */
async function askServer(settings: Call['settings']): Promise<readonly ServedGroup[] | undefined> {
  const api = openApi(serverOf(settings))
  try {
    return bodyOf<{ readonly items: readonly ServedGroup[] }>(await api.get('/v1/ops/groups')).items
  } catch (error) {
    if (error instanceof CommandError) return undefined
    throw error
  } finally {
    api.close()
  }
}

function standing({ states, breakers }: ServedGroup): string {
  return [statesText(states), ...breakers.map((type) => `the handler of ${type} is paused`)].join('; ')
}

/** Which log each service has: what tells its database from another one. */
async function logsOf(lonja: Lonja): Promise<ReadonlyMap<string, string>> {
  const logs = new Map<string, string>()
  for (const { name } of lonja.services) logs.set(name, (await lonja.storeOf(name).identity(name)).logId)
  return logs
}

function groupsOf(lonja: Lonja, lags: readonly GroupLag[], logs: ReadonlyMap<string, string>) {
  return lonja.registry.groups.map(({ name, service, topics, reactions, folds, fed }) => {
    const own = lags.filter(({ group }) => group === name)
    const handlers = [...reactions].flatMap(([type, each]) => each.map((reaction) => ({ type, name: reaction.name })))
    return {
      name,
      service,
      logId: logs.get(service),
      topics,
      lag: own.reduce((sum, { head, next }) => sum + Math.max(0, head - next), 0),
      read: own.reduce((sum, { next }) => sum + next, 0),
      parked: lonja.parked(name),
      paused: pausesOf(own),
      oneByOne: own.flatMap(({ topic, partition, oneByOne }) =>
        oneByOne === undefined ? [] : [`${topic}/${partition} ${oneByOne}`],
      ),
      handlers: [...handlers, ...named(folds, 'fold'), ...named(fed, 'feed')],
    }
  })
}

function named(byType: ReadonlyMap<string, unknown>, name: string) {
  return [...byType.keys()].map((type) => ({ type, name }))
}

/** By whom and why, and how many partitions stand still for it. */
function pausesOf(lags: readonly GroupLag[]): string[] {
  const paused = Map.groupBy(lags, (lag) => lag.paused)
  return [...paused].flatMap(([why, some]) => (why === undefined ? [] : [`${some.length} partitions are ${why}`]))
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
      topics.map(({ name, partitions, generation, keep, records, deleted, sources }) => {
        const gone = deleted === 0 ? '' : `, ${deleted} deleted`
        const count = `${partitions} partitions${generation === 1 ? '' : ` in generation ${generation}`}`
        return [name, count, `kept ${keep}`, `${records} records${gone}`, sources.join(', ')]
      }),
    ),
    ...part(
      'CONSUMER GROUPS',
      groups.map(({ name, stands, lag, read, parked, paused, oneByOne, topics: heard }) => {
        const alone = oneByOne.map((each) => `; ${each}`).join('')
        const state = stands ?? (paused.length === 0 ? '' : 'paused')
        return [name, state, `lag ${lag}`, `read ${read}`, `${parkedText(parked)}${alone}`, heard.join(', ')]
      }),
    ),
    ...part(
      'PAUSED',
      groups.flatMap(({ name, paused }) => paused.map((each) => [name, each])),
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
  if (rows.length === 0) return []
  return [title, ...tableOf(rows).map((line) => `  ${line}`), '']
}
