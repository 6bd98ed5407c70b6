// `lonja groups`, `lonja pause` and `lonja resume`: how the consumer groups stand, and making one stand still.
import { randomUUID } from 'node:crypto'
import { askServer, bodyOf } from './api.ts'
import { EXIT, UsageError, isSet, onlyWord, reasonFlag, textFlag, type Call } from './command.ts'
import { tableOf } from './terminal.ts'

interface Part {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly next: number
  readonly head: number
  readonly lag: number
  readonly owner: string | null
  readonly state: string
  readonly detail: string
}

/** What the server says of a group. */
export interface ServedGroup {
  readonly group: string
  readonly logId: string
  readonly lag: number
  readonly read: number
  readonly states: Readonly<Record<string, number>>
  readonly pauses: readonly {
    readonly topic: string | null
    readonly partition: number | null
    readonly by: string
    readonly reason: string
    readonly since: string
  }[]
  readonly breakers: readonly string[]
  readonly parked: { readonly keys: number; readonly held: number; readonly messages: number }
}

type DetailedGroup = ServedGroup & { readonly partitions: readonly Part[] }

export async function groups(call: Call): Promise<number> {
  const { words, terminal } = call
  const [name] = words
  if (words.length > 1) throw new UsageError(`${words.slice(1).join(' ')} is too much: one GROUP at most.`)
  return askServer(call.settings, async (api) => {
    const isWhole = isSet(call, 'partitions')
    if (name === undefined) {
      const answer = await api.get(`/v1/ops/groups${isWhole ? '?partitions=true' : ''}`)
      const { items } = bodyOf<{ readonly items: readonly DetailedGroup[] }>(answer)
      if (isSet(call, 'json')) terminal.json(items)
      else for (const line of isWhole ? wholeTable(items) : tableOf(items.map(rowOf))) terminal.line(line)
      return EXIT.ok
    }
    const group = bodyOf<DetailedGroup>(await api.get(pathOf(name)))
    if (isSet(call, 'json')) terminal.json(group)
    else if (isWhole) for (const line of wholeTable([group])) terminal.line(line)
    else for (const line of [...tableOf([rowOf(group)]), ...pauseLines(group), ...partLines(group)]) terminal.line(line)
    return EXIT.ok
  })
}

export async function pause(call: Call, act: 'pause' | 'resume'): Promise<number> {
  const path = `${pathOf(onlyWord(call, 'GROUP'))}/${act}`
  const topic = textFlag(call, 'topic')
  const partition = partitionFlag(call)
  const body = {
    reason: reasonFlag(call),
    ...(topic === undefined ? {} : { topic }),
    ...(partition === undefined ? {} : { partition }),
  }
  return askServer(call.settings, async (api) => {
    const answer = await api.post(path, body, { idempotencyKey: randomUUID() })
    const { group, paused } = bodyOf<{ readonly group: string; readonly paused: readonly string[] }>(answer)
    if (isSet(call, 'json')) call.terminal.json({ group, paused })
    else if (paused.length === 0) call.terminal.line(`${group} runs again: nothing of it is paused.`)
    else call.terminal.line(`Paused of ${group}: ${paused.join('; ')}. Every process knows within about a second.`)
    return EXIT.ok
  })
}

/** Partitions count from 0. @throws {UsageError} */
function partitionFlag(call: Call): number | undefined {
  const text = textFlag(call, 'partition')
  if (text === undefined) return undefined
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw new UsageError(`--partition is "${text}": write a number from 0.`)
}

function pathOf(group: string): string {
  return `/v1/ops/groups/${encodeURIComponent(group)}`
}

function rowOf({ group, lag, read, states, parked: { keys, held, messages } }: ServedGroup): string[] {
  return [
    group,
    statesText(states),
    `lag ${lag}`,
    `read ${read}`,
    keys === 0 ? 'nothing parked' : `${keys} keys parked (${held} held), ${messages} messages`,
  ]
}

function wholeTable(items: readonly DetailedGroup[]): string[] {
  const heading = ['GROUP', 'TOPIC', 'SOURCE', 'NEXT', 'HEAD', 'LAG', 'STATE', 'HELD BY']
  const rows = items.flatMap(({ group, partitions }) =>
    partitions.map(({ source, topic, partition, next, head, lag, state, owner }) => {
      return [group, `${topic}/${partition}`, source, String(next), String(head), String(lag), state, owner ?? '-']
    }),
  )
  return tableOf([heading, ...rows])
}

/** How many partitions stand how; only what is not as it should be is counted. */
export function statesText(states: ServedGroup['states']): string {
  const odd = Object.entries(states).filter(([state, count]) => state !== 'running' && count > 0)
  return odd.length === 0 ? 'running' : odd.map(([state, count]) => `${count} ${state}`).join(', ')
}

function pauseLines({ pauses, breakers }: ServedGroup): string[] {
  return [
    ...pauses.map(({ topic, partition, by, reason, since }) => {
      const scope = [topic ?? '', partition === null ? '' : `partition ${partition}`].filter(Boolean).join(' ')
      return `${scope === '' ? 'All of it' : scope} was paused by ${by} at ${since}: ${reason}`
    }),
    ...breakers.map((type) => `The handler of ${type} is paused: it fails for many keys, and is probed now and then.`),
  ]
}

/** The partitions that lag or stand still; where all is well there is nothing to say of each. */
function partLines({ partitions }: { readonly partitions: readonly Part[] }): string[] {
  const shown = partitions.filter(({ state, lag }) => state !== 'running' || lag > 0)
  if (shown.length === 0) return ['Every partition is read to its end.']
  return tableOf(
    shown.map(({ source, topic, partition, next, lag, owner, state, detail }) => [
      `${topic}/${partition} of ${source}`,
      state,
      `next ${next}`,
      `lag ${lag}`,
      owner === null ? 'nobody holds it' : `held by ${owner}`,
      detail,
    ]),
  )
}
