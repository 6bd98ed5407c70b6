// What must be true when nothing moves any more: the books, every command's answer, every projection.
import { isDeepStrictEqual } from 'node:util'
import type { Cell, Store } from '../../src/platform/ports.ts'
import type { Group } from '../../src/platform/runtime/registry.ts'
import type { Lonja } from '../../src/platform/runtime/lonja.ts'
import { sagaKind } from '../../src/platform/runtime/saga-reaction.ts'
import { createReader } from '../../src/platform/runtime/reader.ts'
import { readBuild } from '../../src/platform/rebuild/live-tables.ts'
import { projectionTable } from '../../src/platform/store/tables.ts'
import { checkCursors } from '../../src/cli/check/check-logs.ts'
import { checkOrders } from '../../src/cli/check/check-orders.ts'
import { checkEffects } from '../../src/cli/check/check-rows.ts'
import { checkSagas } from '../../src/cli/check/check-sagas.ts'
import { checkStreams } from '../../src/cli/check/check-streams.ts'
import { pagesOf } from '../../src/cli/check/documents.ts'
import type { CheckContext } from '../../src/cli/check/problem.ts'
import { assertSound } from '../../src/testing/shop-invariants.ts'
import type { Call } from './callers.ts'
import type { History } from './history.ts'
import { comparable, replayProjection } from './replay-projection.ts'
import { gaveUpEarly } from './saga-times.ts'
import { SERVICE_NAMES, registry } from './wiring.ts'

/** Two clocks that were set in opposite directions, several times. */
const CLOCKS_APART_MS = 120_000

/** What is looked at: a history over one database or several. */
export type Rested = Pick<
  History,
  'oracle' | 'fail' | 'callers' | 'plan' | 'world' | 'outside' | 'nodes' | 'storeOf' | 'config'
>

function contextOf({ storeOf, world, outside }: Rested): CheckContext {
  const [first = ''] = SERVICE_NAMES
  return {
    registry,
    storeOf,
    now: () => world.now,
    progress: () => undefined,
    scratch: storeOf(first),
    ledger: () => outside.gateway.ledger(),
  }
}

/** Looks at everything; the first thing that is off is the failure of the history. */
export async function checkAtRest(history: Rested): Promise<void> {
  checkHeads(history)
  const { oracle, fail } = history
  if (oracle.parked.dead.size > 0) fail('still dead', `${oracle.parked.dead.size} dead letters were not decided about`)
  if (oracle.parked.size > 0) fail('still parked', `${oracle.parked.size} messages wait in queues`)
  for (const call of history.callers.calls) checkCall(history, call)
  await checkProjections(history)
  await checkSagaTimes(history)
  await checkByCommand(history)
  await assertSound({ lonja: facadeOf(history), gateway: history.outside.gateway })
}

/** Every group has read every log to its end. */
export function checkHeads({ oracle, fail }: Pick<History, 'oracle' | 'fail'>): void {
  for (const { name: group, topics } of registry.groups) {
    for (const [place, log] of oracle.logs) {
      const topic = log[0]?.topic
      if (topic === undefined || !topics.includes(topic)) continue
      const next = oracle.cursors.get(`${group} ${place}`) ?? 0
      if (next !== log.length) fail('unread', `${group} stands at ${next} of ${log.length} in ${place}`)
    }
  }
}

const EVENTS: Readonly<Record<string, string>> = {
  place: 'OrderPlaced',
  return: 'ReturnRequested',
  adjust: 'StockAdjusted',
}

/** What was acknowledged happened once, what was refused never, and everybody got an answer. */
export function checkCall(
  { oracle, fail }: Pick<History, 'oracle' | 'fail'>,
  { command, answer, isRefused, tries, named }: Call,
): void {
  const { id, kind } = command
  if (tries > 0 && answer === undefined) return fail('never answered', `c${id} (${kind}) was tried ${tries} times`)
  const event = EVENTS[kind]
  if (event === undefined) return undefined
  const count = oracle.happened.get(`${event} c${id}`) ?? 0
  const wanted = answer === undefined || isRefused ? 0 : 1
  if (count !== wanted) fail('commands happen once', `c${id} (${kind}): ${count} times ${event}, answered ${answer}`)
  const isOther = kind === 'place' && wanted === 1 && oracle.orders.get(named ?? '')?.source !== `c${id}`
  if (isOther) fail('answers name what happened', `c${id} was answered ${named}, which is another's order`)
  return undefined
}

/** Each live table is what the log says, cell for cell. */
export async function checkProjections(
  { storeOf, oracle, fail }: Pick<History, 'oracle' | 'fail'> & { readonly storeOf: (service: string) => Store },
  groups: readonly Group[] = registry.groups,
): Promise<void> {
  for (const group of groups) {
    const { service, projection } = group
    if (projection === undefined) continue
    const store = storeOf(service)
    const { live } = await readBuild(store, service, projection.name)
    const table = projectionTable(service, projection, live)
    const names = table.columns.map(({ name }) => name)
    const from = store.tableName(service, table.name)
    const rows = await store.query<Readonly<Record<string, Cell>>>(`SELECT ${names.join(', ')} FROM ${from}`)
    const found = comparable(rows.map((row) => names.map((name) => row[name] ?? null)))
    const replayed = comparable(await replayProjection(oracle, group, table))
    if (isDeepStrictEqual(found, replayed)) continue
    const wrong = found.find((row) => !replayed.includes(row)) ?? 'nothing too much'
    const missing = replayed.find((row) => !found.includes(row)) ?? 'nothing'
    fail('projection', `${group.name} has ${wrong}, and misses ${missing}`)
  }
}

/** No saga gave up before its limit was over; clocks that were set are trusted less. */
async function checkSagaTimes(history: Rested): Promise<void> {
  const { plan, fail } = history
  const isTimeSet = plan.happened.some(({ kind }) => kind === 'jump')
  const slackMs = isTimeSet ? CLOCKS_APART_MS : 0
  for (const saga of registry.sagas) {
    for await (const page of pagesOf(contextOf(history), sagaKind(saga))) {
      const [early] = page.flatMap(({ key, state }) => {
        const found = gaveUpEarly(saga, state, slackMs)
        return found === undefined ? [] : `${saga.name} ${key}: ${found}`
      })
      if (early !== undefined) fail('given up early', early)
    }
  }
}

/** The checks of `lonja check`. */
async function checkByCommand(history: Rested): Promise<void> {
  const { fail } = history
  const context = contextOf(history)
  for (const check of [checkCursors, checkOrders, checkSagas, checkStreams, checkEffects]) {
    const { problems } = await check(context)
    const wrong = problems.find(({ severity }) => severity === 'error')
    if (wrong !== undefined) fail(wrong.check, `${wrong.key}: ${wrong.message}`)
  }
}

/** All nodes together as one application that reads the store itself. */
function facadeOf({ storeOf, nodes, config }: Rested): Lonja {
  const alive = nodes.flatMap(({ life, lonja }) => (life.alive && lonja !== undefined ? [lonja] : []))
  const hostOf = (service: string): Lonja => {
    const host = alive.find(({ services }) => services.some(({ name }) => name === service))
    if (host === undefined) throw new Error(`No node of ${service} is left.`)
    return host
  }
  const reader: Lonja['reader'] = (service) =>
    createReader({
      registry,
      service,
      store: storeOf(service),
      liveTable: (name) => liveTable(hostOf(service), service, name),
      story: async () => [],
    })
  // What a process has heard of logs elsewhere is where reading began anew, or later: cursors say how far all was read.
  const runtimes = config.kafka === undefined ? alive.flatMap((lonja) => lonja.runtimes) : []
  return { registry, reader, runtimes } as unknown as Lonja
}

function liveTable({ runtimes }: Lonja, service: string, name: string) {
  const owner = registry.groups.find((group) => group.service === service && group.projection?.name === name)
  return owner?.projection === undefined ? undefined : runtimes[0]?.options.liveTable(service, owner.projection)
}
