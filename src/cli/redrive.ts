// `lonja redrive` and `lonja discard ID`: has the running server do it, and shows how far it is.
import type { listedView } from '../platform/operations/letter-views.ts'
import type { DryRun } from '../platform/operations/redrive-draft.ts'
import type { jobLetterView, jobView } from '../platform/operations/redrive-views.ts'
import { createIds } from '../platform/ids.ts'
import { systemClock, systemRandom } from '../platform/system.ts'
import { askServer, bodyOf, type Api } from './api.ts'
import { countFlag, EXIT, isSet, onlyWord, reasonFlag, textFlag, UsageError, type Call } from './command.ts'
import { filterFlags } from './dead-letters.ts'
import type { Terminal } from './terminal.ts'

export type Job = NonNullable<ReturnType<typeof jobView>>
type JobLetter = ReturnType<typeof jobLetterView>

const LOOK_EVERY_MS = 200
export const REDRIVES = '/v1/ops/redrives'
/** Letters that failed or were left out and are named; the others are counted. */
const NAMED = 20

export async function redrive(call: Call): Promise<number> {
  const reason = reasonFlag(call)
  const id = createIds(systemClock, systemRandom)()
  const body = { id, ...selectionOf(call), ...limitsOf(call), reason }
  return askServer(call.settings, async (api) => {
    if (isSet(call, 'dry-run')) return tellDryRun(call, bodyOf(await api.post(REDRIVES, { ...body, dryRun: true })))
    // The id makes it safe to ask again where an answer is lost.
    const asked = bodyOf<Job>(await api.post(REDRIVES, body, { idempotencyKey: id }))
    return tellOutcome(call, api, await untilOver(api, asked, call.terminal))
  })
}

export async function discard(call: Call): Promise<number> {
  const { settings, terminal } = call
  const id = onlyWord(call, 'ID').toLowerCase()
  const body = { reason: reasonFlag(call) }
  return askServer(settings, async (api) => {
    const path = `/v1/ops/dead-letters/${encodeURIComponent(id)}/discard`
    const letter = bodyOf<ReturnType<typeof listedView>>(await api.post(path, body, { idempotencyKey: id }))
    if (isSet(call, 'json')) terminal.json({ id: letter.id, status: letter.status, reason: letter.reason })
    else terminal.line(`${letter.type} of ${letter.key} is given up in ${letter.group}: ${letter.reason}.`)
    return EXIT.ok
  })
}

/** Tells what became of a job; a letter that died again or was left out is a failure. */
export async function tellOutcome(call: Call, api: Api, job: Job): Promise<number> {
  const { terminal } = call
  if (isSet(call, 'json')) terminal.json(job)
  else for (const line of [...jobLines(job), ...(await namedLines(api, job))]) terminal.line(line)
  return job.status === 'done' && job.failed + job.leftOut === 0 ? EXIT.ok : EXIT.failed
}

export function jobPath(id: string): string {
  return `${REDRIVES}/${encodeURIComponent(id)}`
}

function selectionOf(call: Call): object {
  const cause = textFlag(call, 'cause')
  const filter = filterFlags(call)
  const ways = [
    ...(call.words.length === 0 ? [] : [{ letters: call.words.map((word) => word.toLowerCase()) }]),
    ...(cause === undefined ? [] : [{ cause }]),
    ...(Object.keys(filter).length === 0 ? [] : [{ filter }]),
    ...(isSet(call, 'all') ? [{ all: true }] : []),
  ]
  const [way, ...others] = ways
  if (way === undefined)
    throw new UsageError('Say which letters: by their IDs, --cause, --group and the like, or --all.')
  if (others.length > 0)
    throw new UsageError('Say which letters in one way: by their IDs, by a cause, by a filter, or --all.')
  return way
}

function limitsOf(call: Call): object {
  const [rate, stopAfter, maxRedrives] = [
    countFlag(call, 'rate'),
    countFlag(call, 'stop-after'),
    countFlag(call, 'max-redrives'),
  ]
  return {
    ...(rate === undefined ? {} : { ratePerSecond: rate }),
    ...(stopAfter === undefined ? {} : { stopAfterFailures: stopAfter }),
    ...(maxRedrives === undefined ? {} : { maxRedrives }),
  }
}

function tellDryRun(call: Call, answer: DryRun): number {
  const { terminal } = call
  if (isSet(call, 'json')) terminal.json(answer)
  else for (const line of dryRunLines(answer)) terminal.line(line)
  return EXIT.ok
}

function dryRunLines({ messages, keys, handlers, leftOut }: DryRun): string[] {
  return [
    `${messages} messages of ${keys} keys would be redriven; nothing was done.`,
    ...handlers.map(({ group, handler, messages: own }) => `  ${own} by ${group}, handler ${handler}`),
    ...leftOut.map(({ why, messages: own, letters }) => `  ${own} left out, ${why}: ${letters.join(', ')}`),
  ]
}

/** Looks until the job works no more, and shows how far it is. */
export async function untilOver(api: Api, first: Job, terminal: Terminal): Promise<Job> {
  let job = first
  while (job.status === 'freezing' || job.status === 'running' || job.underWay > 0) {
    const { redriven, discarded, failed, leftOut, total, underWay } = job
    terminal.progress(
      `${redriven + discarded + failed + leftOut} of ${total} letters are through, ${underWay} on their way`,
    )
    await new Promise<void>((resolve) => void setTimeout(resolve, LOOK_EVERY_MS))
    job = bodyOf<Job>(await api.get(jobPath(job.id)))
  }
  terminal.endProgress()
  return job
}

/** The job in a sentence. */
export function jobLines({ id, action, status, why, total, ...job }: Job): string[] {
  const { redriven, discarded, failed, leftOut, waiting } = job
  const end = status === 'stopped' ? `stopped (${why})` : status
  const counts = [
    action === 'discard'
      ? `${discarded} of ${total} letters were discarded`
      : `${redriven} of ${total} letters were handled`,
    ...(failed === 0 ? [] : [`${failed} died again`]),
    ...(leftOut === 0 ? [] : [`${leftOut} were left out`]),
    ...(waiting === 0 ? [] : [`${waiting} were not sent`]),
  ]
  return [`Job ${id}: ${end}. ${counts.join(', ')}.`]
}

/** The letters of which a person should know, with the reason. */
export async function namedLines(api: Api, { id, failed, leftOut }: Job): Promise<string[]> {
  const states = [...(failed === 0 ? [] : ['failed']), ...(leftOut === 0 ? [] : ['left-out'])]
  const lines: string[] = []
  for (const state of states) {
    const path = `${jobPath(id)}/letters?state=${state}&limit=${NAMED}`
    const { items } = bodyOf<{ readonly items: readonly JobLetter[] }>(await api.get(path))
    lines.push(...items.map(({ letter, group, key, why }) => `  ${letter}  ${group} ${key}: ${state}, ${why}`))
  }
  return lines
}
