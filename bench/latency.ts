// How long callers wait at 200 orders a second: for the answer to the order, and for its confirmation.
import { measured, profileLines, type Bench, type Context } from './support/bench.ts'
import { percentile, type Figure } from './support/figures.ts'
import { batching, measure, verify, warmUp, type Measured } from './support/measure.ts'
import type { Dialect } from './support/options.ts'
import { measureCommits } from './support/reference.ts'
import { startOverHttp } from './support/programs.ts'

const PER_SECOND = 200
const ACCEPTED_P99_MS = 25
const CONFIRMED_P99_MS = 50

export const latency: Bench = {
  name: 'latency',
  summary: 'at 200 orders a second over HTTP: p50 and p99 until accepted and until confirmed, SQL statements an order',
  async run(context) {
    const figures: Figure[] = []
    const notes: string[] = []
    for (const dialect of context.options.stores) {
      const { accepted, ...rest } = await runsOn(context, dialect)
      figures.push(...figuresOf(dialect, { accepted, ...rest }))
      notes.push(`${dialect}: ${batching(accepted)}.`)
    }
    return {
      figures,
      notes: [
        ...notes,
        'Open loop with exponential gaps; an order is timed from when it was due. For confirmed every caller waits for',
        'the end (Prefer: wait), in runs of their own, since each waiting one makes the server read more.',
        "Commit is the reference: a durable commit of one order's rows by the bare driver, between the runs.",
        ...profileLines(context.options, context.options.stores.map(nameOf)),
      ],
    }
  },
}

function nameOf(dialect: Dialect): string {
  return `${dialect}Latency`
}

interface Runs {
  readonly commits: readonly (readonly number[])[]
  readonly accepted: readonly Measured[]
  readonly confirmed: readonly Measured[]
}

async function runsOn(context: Context, dialect: Dialect): Promise<Runs> {
  const { places, options, progress } = context
  const { runs, seconds } = options
  const place = await places.make(dialect, `${dialect}latency`)
  const shop = await startOverHttp(measured(options, place, nameOf(dialect)))
  progress(`${dialect}: warming up`)
  await warmUp(shop, seconds)
  await measure(shop, { perSecond: PER_SECOND, seconds: 1, waits: true })
  const commits: (readonly number[])[] = [await measureCommits(places, dialect)]
  const accepted: Measured[] = []
  const confirmed: Measured[] = []
  for (let run = 1; run <= runs; run += 1) {
    progress(`${dialect}: run ${run} of ${runs}`)
    accepted.push(await measure(shop, { perSecond: PER_SECOND, seconds }))
    confirmed.push(await measure(shop, { perSecond: PER_SECOND, seconds, waits: true }))
    commits.push(await measureCommits(places, dialect))
  }
  await shop.stop()
  await verify(place)
  await places.remove(place)
  return { commits, accepted, confirmed }
}

function figuresOf(dialect: Dialect, { commits, accepted, confirmed }: Runs): readonly Figure[] {
  return [
    { name: `${dialect}CommitP50Ms`, unit: 'ms', values: commits.map((one) => percentile(one, 0.5)) },
    { name: `${dialect}CommitP99Ms`, unit: 'ms', values: commits.map((one) => percentile(one, 0.99)) },
    ...percentiles(`${dialect}Accepted`, accepted, ACCEPTED_P99_MS),
    ...percentiles(`${dialect}Confirmed`, confirmed, CONFIRMED_P99_MS),
    {
      name: `${dialect}StatementsPerOrder`,
      unit: 'SQL',
      values: accepted.map(({ statementsPerOrder }) => statementsPerOrder),
    },
    { name: `${dialect}MicrosPerOrder`, unit: 'µs CPU', values: accepted.map(({ microsPerOrder }) => microsPerOrder) },
  ]
}

function percentiles(name: string, runs: readonly Measured[], goalMs: number): readonly Figure[] {
  const values = (of: 'p50' | 'p99') => runs.map(({ fed }) => fed.answeredMs?.[of] ?? 0)
  const foreign = runs.map(({ foreignCores }) => foreignCores)
  return [
    { name: `${name}P50Ms`, unit: 'ms', values: values('p50') },
    { name: `${name}P99Ms`, unit: 'ms', values: values('p99'), goal: { atMost: goalMs }, foreign },
  ]
}
