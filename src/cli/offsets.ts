// `lonja offsets reset`: says what setting a group's offsets would do, and does it where it is told to.
import { randomUUID } from 'node:crypto'
import { askServer, bodyOf } from './api.ts'
import { EXIT, isSet, onlyWord, reasonFlag, textFlag, UsageError, type Call } from './command.ts'
import { tableOf } from './terminal.ts'

interface Answer {
  readonly group: string
  readonly through: 'nothing' | 'skip' | 'rebuild'
  readonly applied: boolean
  readonly moves: readonly {
    readonly source: string
    readonly topic: string
    readonly partition: number
    readonly from: number
    readonly to: number
  }[]
}

export async function resetOffsets(call: Call): Promise<number> {
  const group = onlyWord(call, 'GROUP')
  const partition = numberFlag(call, 'partition')
  const [topic, source] = [textFlag(call, 'topic'), textFlag(call, 'source')]
  const body = {
    ...targetOf(call),
    ...(topic === undefined ? {} : { topic }),
    ...(source === undefined ? {} : { source }),
    ...(partition === undefined ? {} : { partition }),
    dryRun: !isSet(call, 'apply'),
    reason: reasonFlag(call),
  }
  return askServer(call.settings, async (api) => {
    const path = `/v1/ops/groups/${encodeURIComponent(group)}/offsets`
    const answer = bodyOf<Answer>(await api.post(path, body, { idempotencyKey: randomUUID() }))
    if (isSet(call, 'json')) call.terminal.json(answer)
    else for (const line of linesOf(answer)) call.terminal.line(line)
    return EXIT.ok
  })
}

/** @throws {UsageError} */
function targetOf(call: Call): object {
  const to = textFlag(call, 'to')
  if (to === undefined) throw new UsageError('--to is missing: earliest, a sequence, or a time.')
  if (to === 'earliest') return { to }
  if (/^\d{1,15}$/.test(to)) return { to: 'sequence', sequence: Number(to) }
  if (!Number.isNaN(Date.parse(to))) return { to: 'time', time: to }
  throw new UsageError(
    `--to is "${to}": write earliest, a sequence such as 1200, or a time such as 2026-11-21T09:30:00Z.`,
  )
}

/** Partitions count from 0. @throws {UsageError} */
function numberFlag(call: Call, name: string): number | undefined {
  const text = textFlag(call, name)
  if (text === undefined) return undefined
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw new UsageError(`--${name} is "${text}": write a number from 0.`)
}

function linesOf({ group, through, applied, moves }: Answer): string[] {
  if (through === 'nothing') return [`${group} stands there already: nothing to do.`]
  const rows = moves.map(({ source, topic, partition, from, to }) => {
    const count = to > from ? `${to - from} left out` : `${from - to} again`
    return [`${topic}/${partition} of ${source}`, `from ${from}`, `to ${to}`, count]
  })
  return [...tableOf(rows), sentenceOf({ group, through, applied })]
}

function sentenceOf({ group, through, applied }: Pick<Answer, 'group' | 'through' | 'applied'>): string {
  if (through === 'rebuild') {
    if (applied)
      return `${group} is rebuilt from the beginning of its logs: \`lonja rebuild ${group}\` shows how far it is.`
    return `${group} would be rebuilt from the beginning of its logs, beside the live table. Do it with --apply.`
  }
  if (applied) return `${group} goes on there. What was left out it never handles.`
  return `${group} would never handle what is left out. Nothing was done: do it with --apply.`
}
