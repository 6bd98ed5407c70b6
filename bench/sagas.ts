// Orders through the whole saga, until they are confirmed, told of by mail and counted in a window: how many a second.
import { measured, profileLines, type Bench, type Context } from './support/bench.ts'
import { median, RATIO, shown, type Figure } from './support/figures.ts'
import { batching, measure, verify, warmUp, type Measured } from './support/measure.ts'
import type { Dialect } from './support/options.ts'
import { peakMegabytes } from './support/processes.ts'
import { startInProcess, startOverHttp } from './support/programs.ts'
import { measureReference, type Reference } from './support/reference.ts'

/** On two cores that everything shares. */
const GOALS: Readonly<Record<string, Figure['goal']>> = {
  sqliteInProcess: { atLeast: 4000 },
  sqliteInProcessMicrosPerOrder: { atMost: 220 },
  postgresInProcess: { atLeast: 2000 },
  sqliteHttp: { atLeast: 2000 },
  postgresHttp: { atLeast: 1200 },
}
const MAX_STATEMENTS = 2

const WAYS = { InProcess: startInProcess, Http: startOverHttp }
type Way = keyof typeof WAYS

/** A run, and the reference as it was around it. */
interface Run extends Measured {
  readonly reference: Reference
  /** The most memory that the process held so far. */
  readonly megabytes: number
}

export const sagas: Bench = {
  name: 'sagas',
  summary: 'two-item orders through the whole saga: orders a second, CPU and SQL statements an order',
  async run(context) {
    const figures: Figure[] = []
    const names: string[] = []
    const notes: string[] = []
    for (const dialect of context.options.stores) {
      // Once for the compiler; the first figure would be of cold code.
      await measureReference(context.places, dialect)
      for (const way of Object.keys(WAYS) as Way[]) {
        const name = `${dialect}${way}`
        const runs = await runsOf(context, dialect, way)
        figures.push(...figuresOf(name, runs))
        names.push(name)
        notes.push(noteOf(name, runs))
      }
    }
    return { figures, notes: [...notes, ...profileLines(context.options, names)] }
  },
}

/** Reference, run, reference, run, reference: each run lies between two references. */
async function runsOf(context: Context, dialect: Dialect, way: Way): Promise<readonly Run[]> {
  const { places, options, progress } = context
  const name = `${dialect}${way}`
  const place = await places.make(dialect, name.toLowerCase())
  const shop = await WAYS[way](measured(options, place, name))
  progress(`${name}: warming up`)
  await warmUp(shop, options.seconds)
  const runs: Run[] = []
  let before = await measureReference(places, dialect)
  for (let run = 1; run <= options.runs; run += 1) {
    progress(`${name}: run ${run} of ${options.runs}`)
    const one = await measure(shop, { seconds: options.seconds })
    const after = await measureReference(places, dialect)
    runs.push({ ...one, reference: between(before, after), megabytes: peakMegabytes(shop.pid) })
    before = after
  }
  await shop.stop()
  await verify(place)
  await places.remove(place)
  return runs
}

function between(before: Reference, after: Reference): Reference {
  return {
    perSecond: (before.perSecond + after.perSecond) / 2,
    microsPerOrder: (before.microsPerOrder + after.microsPerOrder) / 2,
  }
}

/** What is worth knowing beside the figures. */
function noteOf(name: string, runs: readonly Run[]): string {
  const of = (valueOf: (run: Run) => number): string => shown(median(runs.map(valueOf)))
  const reference = `${of((run) => run.reference.perSecond)}/s at ${of((run) => run.reference.microsPerOrder)} µs`
  const megabytes = Math.max(...runs.map((run) => run.megabytes))
  const own = `${name}: ${batching(runs)}; reference ${reference}; memory at most ${shown(megabytes)} MB`
  if (runs.every(({ fed }) => fed.answeredMs === undefined)) return `${own}.`
  const answered = (of: 'p50' | 'p99'): string => shown(median(runs.map(({ fed }) => fed.answeredMs?.[of] ?? 0)))
  const load = of(({ fed }) => fed.loadCores ?? 0)
  return `${own}; accepted in ${answered('p50')} ms, p99 ${answered('p99')} ms; load generator ${load} cores.`
}

function figuresOf(name: string, runs: readonly Run[]): readonly Figure[] {
  const figure = (suffix: string, unit: string, valueOf: (run: Run) => number): Figure => {
    return { name: `${name}${suffix}`, unit, values: runs.map(valueOf), goal: GOALS[`${name}${suffix}`] }
  }
  const foreign = runs.map(({ foreignCores }) => foreignCores)
  const database = figure('DatabaseMicrosPerOrder', 'µs CPU', (run) => run.databaseMicrosPerOrder)
  return [
    { ...figure('', 'orders/s', (run) => run.perSecond), foreign },
    figure('MicrosPerOrder', 'µs CPU', (run) => run.microsPerOrder),
    ...(name.startsWith('postgres') ? [database] : []),
    { ...figure('StatementsPerOrder', 'SQL', (run) => run.statementsPerOrder), goal: { atMost: MAX_STATEMENTS } },
    figure('RateRatio', RATIO, ({ perSecond, reference }) => perSecond / reference.perSecond),
    figure('CpuRatio', RATIO, ({ microsPerOrder, databaseMicrosPerOrder, reference }) => {
      return (microsPerOrder + databaseMicrosPerOrder) / reference.microsPerOrder
    }),
  ]
}
