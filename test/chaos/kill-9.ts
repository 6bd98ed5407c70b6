// The shop under load, killed again and again, at moments of chance and at its commits, and nothing else done to it.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { FaultName } from './faults.ts'
import { percentile, totalOf } from './figures.ts'
import { tellStory, type StoryPlan, type StoryReport } from './story.ts'

const KILLS = 20
const IN_FLIGHT_MINIMUM = 5

/** Seeds are read here and nowhere else: `CHAOS_SEED=7 npm test`. */
export function chaosSeed(): number {
  return Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000)
}

/** Tells a story that must end well, and its figures. */
export async function endsWell(t: TestContext, plan: Omit<StoryPlan, 'seed'>): Promise<StoryReport> {
  const seed = chaosSeed()
  t.diagnostic(`seed ${seed} (CHAOS_SEED=${seed} repeats it)`)
  const report = await tellStory({ ...plan, seed })
  const { violations, leftBehind, figures, mails, orders, refused, replays } = report
  assert.deepEqual(violations, [], `seed ${seed}; look into ${leftBehind}`)
  const { kills, openCommits, nextMs, settledMs } = totalOf(figures)
  t.diagnostic(
    `${kills} kills, ${openCommits} in an open commit; ${orders} orders, ${refused} refused, ${replays} answers ` +
      `replayed; ${mails?.mails} mails, ${mails?.repeated} of them repeated; the next order after p50 ` +
      `${percentile(nextMs, 0.5)} ms, max ${percentile(nextMs, 1)} ms; all settled after p50 ` +
      `${percentile(settledMs, 0.5)} ms, max ${percentile(settledMs, 1)} ms`,
  )
  return report
}

const KILLING: readonly FaultName[] = ['kill', 'commit']

/** One process, killed twenty times; every kill must hit requests that are under way. */
export async function survivesKills(
  t: TestContext,
  store: Pick<StoryPlan, 'dialect' | 'hurriesLeases'>,
): Promise<void> {
  const { figures } = await endsWell(t, { ...store, cycles: KILLS, faults: KILLING, inTurn: true, processes: 1 })
  const { inFlight, openCommits } = totalOf(figures)
  assert.equal(inFlight.length, KILLS)
  assert.ok(Math.min(...inFlight) >= IN_FLIGHT_MINIMUM, `in flight at the kills: ${inFlight.join(', ')}`)
  assert.ok(openCommits > 0, 'some kills hit an open commit')
}
