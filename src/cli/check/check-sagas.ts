// Sagas: each has ended, waits within its time, or is flagged for a person.
import type { Saga } from '../../kernel/saga.ts'
import type { SagaState } from '../../kernel/saga-decider.ts'
import { isLive, needsPerson } from '../../kernel/saga-decider.ts'
import { sagaKind } from '../../platform/runtime/saga-reaction.ts'
import type { Verdict, Wrong } from './confirm.ts'
import { Suspicions } from './confirm.ts'
import { documentsOf, pagesOf } from './documents.ts'
import type { CheckContext, Finding } from './problem.ts'
import { Findings } from './problem.ts'
import { explained } from './given-up.ts'
import { readPassed } from './unread.ts'

/** Timers are swept in ranges and wait for unread answers; up to a minute late is not late. */
export const LATE_BY_MS = 60_000

export async function checkSagas(context: CheckContext): Promise<Finding> {
  const findings = new Findings()
  for (const saga of context.registry.sagas) await checkSaga(context, findings, saga)
  return findings.finding()
}

async function checkSaga(context: CheckContext, findings: Findings, saga: Saga): Promise<void> {
  const kind = sagaKind(saga)
  const names = context.registry.services.map(({ name }) => name)
  const look = async (keys: readonly string[]) => {
    const documents = await documentsOf(context, kind, keys)
    // Waits for what is parked or dead are told with those messages; here they are only not late.
    const { waiting, givenUp } = await readPassed(context, names)
    return new Map(
      [...documents].map(([key, { state }]): [string, Verdict] => {
        const wrong = wrongWith(state, context.now())
        const letters = givenUp.get(key) ?? []
        if (waiting.has(key) || letters.some((letter) => letter.state === 'dead')) {
          return [key, wrong.filter(({ check }) => check !== 'saga-late')]
        }
        // A limit runs out by itself whatever was given up; the answer of the aggregate may never come then.
        return [key, state.due > 0 ? wrong : explained(wrong, letters, (_, check) => check === 'saga-late')]
      }),
    )
  }
  const suspicions = new Suspicions(look, findings, (key) => `${saga.name} ${key}`)
  for await (const page of pagesOf(context, kind)) {
    await suspicions.add(page.filter(({ state }) => wrongWith(state, context.now()).length > 0).map(({ key }) => key))
    findings.checked += page.length
    context.progress(`${findings.checked} sagas`)
  }
  await suspicions.settle()
}

function wrongWith(state: SagaState, now: number): readonly Wrong[] {
  if (!isLive(state)) return []
  const { status, due, flagged, history, startedAt } = state
  // An end whose message died is flagged as well, though the saga still waits for it.
  if (needsPerson(state) || (flagged.length > 0 && (status === 'succeeding' || status === 'failing'))) {
    const steps = flagged.join(', ')
    return [{ check: 'saga-person', message: `It is ${status} at ${steps}: a person has to look.`, severity: 'person' }]
  }
  if (due > 0) {
    if (now <= due + LATE_BY_MS) return []
    return [{ check: 'saga-late', message: `It should have gone on by ${new Date(due).toISOString()}.` }]
  }
  // Nothing limits the wait for the aggregate of the same service: it answers in moments or never.
  const since = history.at(-1)?.at ?? startedAt
  if (now <= since + LATE_BY_MS) return []
  return [{ check: 'saga-late', message: `It has been ${status} since ${new Date(since).toISOString()}.` }]
}
