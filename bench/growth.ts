// Whether the hundredfold number of stored orders makes the next one slower.
import { fill, measured, profileLines, type Bench, type Context } from './support/bench.ts'
import type { Figure } from './support/figures.ts'
import { measure, verify, warmUp, type Measured } from './support/measure.ts'
import type { Dialect } from './support/options.ts'
import type { Place } from './support/places.ts'
import { startInProcess } from './support/programs.ts'

const ORDERS = 1_000_000
const SMALLER_BY = 100
const GOAL = 0.9

export const growth: Bench = {
  name: 'growth',
  summary: `orders a second with ${ORDERS.toLocaleString('en-US')} orders stored beside that with a hundredth of them`,
  async run(context) {
    const figures: Figure[] = []
    for (const dialect of context.options.stores) figures.push(...(await figuresOn(context, dialect)))
    return {
      figures,
      notes: [
        'Each run has a process of its own, on the large database and on a fresh copy of the small one in turn.',
        ...profileLines(
          context.options,
          context.options.stores.flatMap((dialect) => [`${dialect}Small`, `${dialect}Large`]),
        ),
      ],
    }
  },
}

async function figuresOn(context: Context, dialect: Dialect): Promise<readonly Figure[]> {
  const { options, places } = context
  const orders = options.orders ?? ORDERS
  const few = Math.ceil(orders / SMALLER_BY)
  const seed = await fill(context, dialect, { name: `${dialect}few`, orders: few })
  const large = await fill(context, dialect, { name: `${dialect}many`, orders })
  const smallRuns: Measured[] = []
  const largeRuns: Measured[] = []
  for (let run = 1; run <= options.runs; run += 1) {
    context.progress(`${dialect}: run ${run} of ${options.runs}`)
    const small = await places.copy(seed, `${dialect}few${run}`)
    smallRuns.push(await runOn(context, small, `${dialect}Small`))
    await verify(small)
    await places.remove(small)
    largeRuns.push(await runOn(context, large, `${dialect}Large`))
  }
  await verify(large)
  await places.remove(large)
  return [
    ...figuresOf(`${dialect}Small`, smallRuns),
    ...figuresOf(`${dialect}Large`, largeRuns),
    {
      name: `${dialect}Ratio`,
      unit: 'large / small',
      values: largeRuns.map(({ perSecond }, at) => perSecond / (smallRuns[at]?.perSecond ?? 0)),
      goal: { atLeast: GOAL },
    },
    {
      name: `${dialect}CpuRatio`,
      unit: 'large / small',
      values: largeRuns.map((run, at) => microsOf(run) / microsOf(smallRuns[at])),
    },
  ]
}

async function runOn({ options }: Context, place: Place, name: string): Promise<Measured> {
  const shop = await startInProcess(measured(options, place, name))
  await warmUp(shop, options.seconds)
  const run = await measure(shop, { seconds: options.seconds })
  await shop.stop()
  return run
}

function microsOf(run: Measured | undefined): number {
  return run === undefined ? 0 : run.microsPerOrder + run.databaseMicrosPerOrder
}

function figuresOf(name: string, runs: readonly Measured[]): readonly Figure[] {
  const foreign = runs.map(({ foreignCores }) => foreignCores)
  return [
    { name: `${name}PerSecond`, unit: 'orders/s', values: runs.map(({ perSecond }) => perSecond), foreign },
    { name: `${name}MicrosPerOrder`, unit: 'µs CPU', values: runs.map(microsOf) },
  ]
}
