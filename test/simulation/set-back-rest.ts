// What must be true at rest when one of two databases was set back: what was said since is heard, the rest is exempt.
import { checkCursors } from '../../src/cli/check/check-logs.ts'
import { checkStreams } from '../../src/cli/check/check-streams.ts'
import type { CheckContext } from '../../src/cli/check/problem.ts'
import { checkCall, checkHeads, checkProjections } from './at-rest.ts'
import type { Oracle } from './oracle.ts'
import type { Place, SetBackHistory } from './set-back-history.ts'
import { GROUP_TOPICS, SERVICE_NAMES, registry } from './wiring.ts'

/** Numbers of a log that a group of the other database has read, and that were lost. */
export interface NumbersLost {
  readonly group: string
  /** `source/topic/partition`. */
  readonly place: string
  /** The first that is given again. */
  readonly from: number
  /** The group had read up to here. */
  readonly readTo: number
}

/** @param before as the oracle stood when everything was still there */
export function numbersLost({
  before,
  after,
  victim,
}: {
  readonly before: Oracle
  readonly after: Oracle
  readonly victim: Place
}): readonly NumbersLost[] {
  const found: NumbersLost[] = []
  for (const [name, readTo] of before.cursors) {
    const cut = name.indexOf(' ')
    const [group, place] = [name.slice(0, cut), name.slice(cut + 1)]
    const isOwn = victim.services.includes(serviceOf(group))
    const [source = ''] = place.split('/')
    const from = after.logs.get(place)?.length ?? 0
    if (!isOwn && victim.services.includes(source) && readTo > from) found.push({ group, place, from, readTo })
  }
  return found
}

function serviceOf(group: string): string {
  return registry.groups.find(({ name }) => name === group)?.service ?? ''
}

/**
 * Everything that was appended since was handled once by each group (at each commit, and here to the end), alarms name
 * the numbers that came twice, and each database for itself is sound. What two databases say of each other may differ:
 * one remembers what the other has lost.
 */
export async function checkSetBack(history: SetBackHistory): Promise<void> {
  checkHeads(history)
  checkAlarms(history)
  for (const call of history.callers.calls) {
    // Its answer was lost, and nobody asked again.
    if (call.answer !== undefined) checkCall(history, call)
  }
  const { victim } = history
  await checkProjections(
    history,
    registry.groups.filter(({ name, service }) => victim.services.includes(service) || !readsOf(name, victim)),
  )
  await checkByCommand(history)
}

/** Whether the group reads a topic that is appended to in this database. */
function readsOf(group: string, { services }: Place): boolean {
  return [...(GROUP_TOPICS.get(group) ?? [])].some((topic) =>
    registry.sourcesOf(topic).some((source) => services.includes(source)),
  )
}

function checkAlarms({ lost, alarms, incarnation, fail }: SetBackHistory): void {
  for (const { group, place, from, readTo } of lost) {
    const said = `its source went back and goes on as incarnation ${incarnation} at ${from}; it had read to ${readTo}`
    if (!alarms.includes(`${group} ${place} ${said}`)) fail('no alarm', `${group} ${place}: nobody said that ${said}`)
  }
}

async function checkByCommand(history: SetBackHistory): Promise<void> {
  const { fail, storeOf, world } = history
  const [first = ''] = SERVICE_NAMES
  const context: CheckContext = {
    registry,
    storeOf,
    now: () => world.now,
    progress: () => undefined,
    scratch: storeOf(first),
    ledger: () => [],
  }
  for (const check of [checkCursors, checkStreams]) {
    const { problems } = await check(context)
    const wrong = problems.find(({ severity }) => severity === 'error')
    if (wrong !== undefined) fail(wrong.check, `${wrong.key}: ${wrong.message}`)
  }
}
