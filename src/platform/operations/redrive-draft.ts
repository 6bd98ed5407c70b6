// What a job will do, before it does anything: told as a dry run, or written down, a draft for each database.
import type { Role } from '../../kernel/route.ts'
import { isStrangerCode } from '../parking/stranger-letter.ts'
import { nameOf } from '../parking/parked-key.ts'
import type { Store } from '../ports.ts'
import type { Draft } from './redrive-freeze.ts'
import type { JobLetter, RedriveAction } from './redrive-job.ts'
import { WHY } from './redrive-step.ts'
import type { Candidate, Selection } from './selection.ts'

/** Who asks. */
export interface Asker {
  readonly principal: string
  readonly role: Role
}

/** What is asked for. */
export interface RedriveRequest {
  readonly id: string
  readonly action: RedriveAction
  readonly selection: Selection
  readonly rate: number | null
  readonly stopAfter: number
  readonly maxRedrives: number
  readonly reason: string
}

export interface DryRun {
  readonly messages: number
  readonly keys: number
  readonly handlers: readonly { readonly group: string; readonly handler: string; readonly messages: number }[]
  readonly leftOut: readonly { readonly why: string; readonly messages: number; readonly letters: readonly string[] }[]
}

/** Letters that are named for each reason to leave them out. */
const NAMED = 20

export function dryRun(letters: readonly Candidate[], request: RedriveRequest): DryRun {
  const taken = letters.filter((letter) => whyLeftOut(letter, request) === undefined)
  const handlers = Map.groupBy(taken, ({ group, handler }) => JSON.stringify([group, handler]))
  const out = Map.groupBy(letters, (letter) => whyLeftOut(letter, request) ?? '')
  return {
    messages: taken.length,
    keys: new Set(taken.map(nameOf)).size,
    handlers: [...handlers.values()].flatMap((own) => {
      const [first] = own
      return first === undefined ? [] : [{ group: first.group, handler: first.handler, messages: own.length }]
    }),
    leftOut: [...out]
      .filter(([why]) => why !== '')
      .map(([why, own]) => ({ why, messages: own.length, letters: own.slice(0, NAMED).map(({ id }) => id) })),
  }
}

function whyLeftOut(letter: Candidate, { action, maxRedrives }: RedriveRequest): string | undefined {
  if (letter.status !== 'dead') return letter.status
  if (action === 'redrive' && isStrangerCode(letter.code)) return WHY.noMessage
  return action === 'redrive' && letter.redriveCount >= maxRedrives ? WHY.tooOften : undefined
}

interface Moment {
  readonly askedAt: number
  readonly newId: () => string
  /** Where a job without any letter is kept. */
  readonly fallback: Store
}

/** A draft for each database that has letters of it. */
export function draftsOf(
  { request, asker }: { readonly request: RedriveRequest; readonly asker: Asker },
  letters: readonly Candidate[],
  { askedAt, newId, fallback }: Moment,
): readonly (Draft & { readonly store: Store })[] {
  const { id, action, reason, rate, stopAfter, maxRedrives, selection } = request
  const byStore = Map.groupBy(letters, ({ store }) => store)
  if (byStore.size === 0) byStore.set(fallback, [])
  const limits = { rate, stopAfter, maxRedrives, forgiven: 0, nextAt: askedAt }
  const asked = { id, action, reason, askedAt, why: null, request: JSON.stringify(request) }
  return [...byStore].map(([store, own]) => ({
    store,
    job: { ...asked, ...limits, principal: asker.principal },
    letters: own.map((letter, ordinal) => jobLetterOf(letter, { ordinal, request, askedAt })),
    deed: {
      ...asker,
      id: newId(),
      at: askedAt,
      action: `dead-letter.${action}`,
      target: `job ${id}`,
      reason,
      details: { ...('letters' in selection ? {} : { selection }), letters: own.length },
    },
  }))
}

function jobLetterOf(
  letter: Candidate,
  {
    ordinal,
    request,
    askedAt,
  }: { readonly ordinal: number; readonly request: RedriveRequest; readonly askedAt: number },
): JobLetter {
  const { service, id, group, keyName, key } = letter
  const why = whyLeftOut(letter, request)
  const state = why === undefined ? 'waiting' : 'left-out'
  const place = { job: request.id, ordinal, service, letter: id, group, keyName, key }
  return { ...place, state, why: why ?? null, letterVersion: 0, changedAt: askedAt }
}
