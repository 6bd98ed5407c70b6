// `lonja sagas`, `lonja saga` and its acts: which sagas are stuck and why, and what a person does about it.
import { randomUUID } from 'node:crypto'
import type { SagaAct } from '../kernel/saga-acts.ts'
import { askServer, bodyOf, type Api } from './api.ts'
import { EXIT, countFlag, isSet, noWords, reasonFlag, textFlag, wordsOf, type Call } from './command.ts'
import { tableOf } from './terminal.ts'

const USUAL_LIMIT = 100
const PAGE_SIZE = 100
/** Pages that are asked for: each looks at 100,000 documents at most. */
const MAX_PAGES = 100

interface Listed {
  readonly saga: string
  readonly key: string
  readonly status: string
  readonly needsPerson: boolean
  readonly waitsFor: readonly string[]
  readonly startedAt: string
  readonly due: string | null
  readonly last: string
}

interface Detail extends Listed {
  readonly about: string
  readonly flagged: readonly string[]
  readonly skipped: readonly string[]
  readonly reason: string
  readonly history: readonly { readonly at: string; readonly what: string }[]
  readonly acts: readonly SagaAct[]
  readonly promises: readonly { readonly step: string; readonly promise: string }[]
  readonly story: string | null
  readonly means?: string
}

interface Counts {
  readonly items: readonly {
    readonly saga: string
    readonly status: string
    readonly needsPerson: boolean
    readonly count: number
    readonly oldest: string
  }[]
  readonly isWhole: boolean
}

export async function listSagas(call: Call): Promise<number> {
  noWords(call)
  const { terminal } = call
  return askServer(call.settings, async (api) => {
    if (isSet(call, 'counts')) {
      const counts = bodyOf<Counts>(await api.get('/v1/ops/saga-counts'))
      if (isSet(call, 'json')) terminal.json(counts)
      else for (const line of countLines(counts)) terminal.line(line)
      return EXIT.ok
    }
    const found = await pagesOf(api, queryOf(call), countFlag(call, 'limit') ?? USUAL_LIMIT)
    if (isSet(call, 'json')) terminal.json(found)
    else for (const line of listLines(found)) terminal.line(line)
    return EXIT.ok
  })
}

export async function showSaga(call: Call): Promise<number> {
  const path = pathOf(call)
  return askServer(call.settings, async (api) => {
    const saga = bodyOf<Detail>(await api.get(path))
    if (isSet(call, 'json')) call.terminal.json(saga)
    else for (const line of detailLines(saga)) call.terminal.line(line)
    return EXIT.ok
  })
}

export async function actOnSaga(call: Call, act: SagaAct): Promise<number> {
  const path = pathOf(call)
  const step = textFlag(call, 'step')
  const body = {
    reason: reasonFlag(call),
    ...(step === undefined ? {} : { step }),
    ...(isSet(call, 'force') ? { force: true } : {}),
  }
  return askServer(call.settings, async (api) => {
    const saga = bodyOf<Detail>(await api.post(`${path}/${act}`, body, { idempotencyKey: randomUUID() }))
    if (isSet(call, 'json')) call.terminal.json(saga)
    else call.terminal.line(`${saga.saga} ${saga.key} is ${saga.status}. ${saga.means ?? ''}`)
    return EXIT.ok
  })
}

function pathOf(call: Call): string {
  const [name = '', key = ''] = wordsOf(call, 'NAME', 'KEY')
  return `/v1/ops/sagas/${encodeURIComponent(name)}/${encodeURIComponent(key)}`
}

function queryOf(call: Call): URLSearchParams {
  const minutes = countFlag(call, 'older-than')
  const wanted = {
    saga: textFlag(call, 'saga'),
    status: textFlag(call, 'status'),
    needsPerson: isSet(call, 'needs-person') ? 'true' : undefined,
    startedBefore: minutes === undefined ? undefined : new Date(Date.now() - minutes * 60_000).toISOString(),
  }
  return new URLSearchParams(
    Object.entries(wanted).flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, value]])),
  )
}

interface Found {
  readonly items: readonly Listed[]
  /** Whether there are more than were asked for. */
  readonly more: boolean
}

async function pagesOf(api: Api, query: URLSearchParams, limit: number): Promise<Found> {
  const items: Listed[] = []
  let after: string | null = null
  for (let page = 0; page < MAX_PAGES; page += 1) {
    query.set('limit', String(Math.min(PAGE_SIZE, limit - items.length)))
    if (after !== null) query.set('after', after)
    const answer: { readonly items: readonly Listed[]; readonly next: string | null } = bodyOf(
      await api.get(`/v1/ops/sagas?${query.toString()}`),
    )
    items.push(...answer.items)
    after = answer.next
    if (after === null || items.length >= limit) break
  }
  return { items, more: after !== null }
}

function listLines({ items, more }: Found): string[] {
  if (items.length === 0) return ['No such saga.']
  const rows = items.map(({ saga, key, status, needsPerson, waitsFor, startedAt, due, last }) => [
    saga,
    key,
    needsPerson ? `${status} (needs a person)` : status,
    waitsFor.length === 0 ? '-' : waitsFor.join(', '),
    `since ${startedAt}`,
    due === null ? 'no limit' : `until ${due}`,
    last,
  ])
  return [...tableOf(rows), ...(more ? ['… and more: --limit N lists them.'] : [])]
}

function countLines({ items, isWhole }: Counts): string[] {
  if (items.length === 0) return ['No saga is under way.']
  const rows = items.map(({ saga, status, needsPerson, count, oldest }) => [
    saga,
    needsPerson ? `${status} (needs a person)` : status,
    String(count),
    `the oldest since ${oldest}`,
  ])
  return [...tableOf(rows), ...(isWhole ? [] : ['Only the newest ten million were looked at.'])]
}

function detailLines(saga: Detail): string[] {
  const { flagged, skipped, reason, due, story, promises } = saga
  return [
    `${saga.saga} ${saga.key}: ${saga.status}${saga.needsPerson ? ', needs a person' : ''}`,
    ...(saga.waitsFor.length === 0
      ? []
      : [`Waits for: ${saga.waitsFor.join(', ')}${due === null ? '' : ` until ${due}`}`]),
    ...(flagged.length === 0 ? [] : [`Flagged: ${flagged.join(', ')}`]),
    ...(skipped.length === 0 ? [] : [`A person skipped: ${skipped.join(', ')}`]),
    ...(reason === '' ? [] : [`Reason: ${reason}`]),
    'History:',
    ...saga.history.map(({ at, what }) => `  ${at}  ${what}`),
    ...(saga.acts.length === 0 ? [] : ['What you can do:']),
    ...saga.acts.map((act) => `  lonja saga ${act} ${saga.saga} ${saga.key} --reason "WHY"`),
    ...promises.map(({ step, promise }) => `  Skipping ${step} needs --force. ${promise}`),
    ...(story === null ? [] : [`The whole story: lonja order ${saga.about}`]),
  ]
}
