// `lonja redrives [JOB]`, `lonja redrive stop JOB` and `lonja redrive resume JOB`: the jobs that redrive or discard.
import { randomUUID } from 'node:crypto'
import type { JobChange } from '../platform/operations/redrive-change.ts'
import { askServer, bodyOf } from './api.ts'
import { EXIT, UsageError, countFlag, isSet, onlyWord, reasonFlag, type Call } from './command.ts'
import { REDRIVES, jobLines, jobPath, namedLines, tellOutcome, untilOver, type Job } from './redrive.ts'
import { tableOf } from './terminal.ts'

const USUAL_LIMIT = 50

export async function redrives(call: Call): Promise<number> {
  const [id, ...others] = call.words
  if (others.length > 0) throw new UsageError(`${others.join(' ')} is too much: one JOB at most.`)
  const limit = countFlag(call, 'limit') ?? USUAL_LIMIT
  const { terminal } = call
  return askServer(call.settings, async (api) => {
    if (id === undefined) {
      const page = bodyOf<{ readonly items: readonly Job[]; readonly next: string | null }>(
        await api.get(`${REDRIVES}?limit=${limit}`),
      )
      if (isSet(call, 'json')) terminal.json(page)
      else for (const line of listLines(page.items, page.next !== null)) terminal.line(line)
      return EXIT.ok
    }
    const job = bodyOf<Job>(await api.get(jobPath(id)))
    if (isSet(call, 'json')) terminal.json(job)
    else for (const line of [...jobLines(job), ...aboutLines(job), ...(await namedLines(api, job))]) terminal.line(line)
    return EXIT.ok
  })
}

export async function changeRedrive(call: Call, change: JobChange): Promise<number> {
  const path = `${jobPath(onlyWord(call, 'JOB'))}/${change}`
  const body = { reason: reasonFlag(call) }
  return askServer(call.settings, async (api) => {
    const job = bodyOf<Job>(await api.post(path, body, { idempotencyKey: randomUUID() }))
    if (change === 'resume') return tellOutcome(call, api, await untilOver(api, job, call.terminal))
    if (isSet(call, 'json')) call.terminal.json(job)
    else for (const line of jobLines(job)) call.terminal.line(line)
    return EXIT.ok
  })
}

function aboutLines({
  principal,
  askedAt,
  changedAt,
  reason,
  ratePerSecond,
  stopAfterFailures,
  underWay,
}: Job): string[] {
  const rate = ratePerSecond === null ? 'as fast as they are handled' : `${ratePerSecond} a second`
  return tableOf([
    ['  asked', `by ${principal} at ${askedAt}: ${reason}`],
    ['  changed', changedAt],
    ['  limits', `${rate}, stops after ${stopAfterFailures} failures`],
    ...(underWay === 0 ? [] : [['  on their way', `${underWay} letters`]]),
  ])
}

function listLines(items: readonly Job[], more: boolean): readonly string[] {
  if (items.length === 0) return ['Nobody asked for a job yet.']
  const head = ['JOB', 'ACTION', 'STATUS', 'THROUGH', 'FAILED', 'LEFT OUT', 'BY', 'ASKED', 'REASON']
  const rows = items.map(({ id, action, status, redriven, discarded, total, failed, leftOut, ...job }) => {
    const through = `${redriven + discarded} of ${total}`
    return [id, action, status, through, String(failed), String(leftOut), job.principal, job.askedAt, job.reason]
  })
  return [...tableOf([head, ...rows]), ...(more ? ['There are more: write --limit N for a longer list.'] : [])]
}
