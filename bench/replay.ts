// The order list rebuilt from the log, beside the live one, compared with it and put in its place.
import { fill, measured, profileLines, type Bench, type Context } from './support/bench.ts'
import type { Figure } from './support/figures.ts'
import { verify } from './support/measure.ts'
import type { Dialect } from './support/options.ts'
import type { Rebuilt } from './support/orders.ts'
import { foreignCores, processorTimes } from './support/processes.ts'
import { startInProcess } from './support/programs.ts'

const ORDERS = 100_000
const GOALS: Readonly<Record<Dialect, number>> = { sqlite: 100_000, postgres: 40_000 }
const PROJECTION = 'orders.order_list'

interface Run extends Rebuilt {
  readonly foreign: number
}

export const replay: Bench = {
  name: 'replay',
  summary: `the order list rebuilt from the log of ${ORDERS.toLocaleString('en-US')} orders: events a second`,
  async run(context) {
    const figures: Figure[] = []
    for (const dialect of context.options.stores) figures.push(...(await figuresOn(context, dialect)))
    return {
      figures,
      notes: [
        'EventsPerSecond ends when the last event is folded; ToLive when the new table is compared and live.',
        ...profileLines(context.options, context.options.stores.map(nameOf)),
      ],
    }
  },
}

function nameOf(dialect: Dialect): string {
  return `${dialect}Replay`
}

async function figuresOn(context: Context, dialect: Dialect): Promise<readonly Figure[]> {
  const { options, places, progress } = context
  const orders = options.orders ?? ORDERS
  const place = await fill(context, dialect, { name: `${dialect}replay`, orders })
  const shop = await startInProcess(measured(options, place, nameOf(dialect)))
  const runs: Run[] = []
  for (let run = 1; run <= options.runs; run += 1) {
    progress(`${dialect}: rebuild ${run} of ${options.runs}`)
    const before = processorTimes()
    const rebuilt = await shop.rebuild(PROJECTION)
    const foreign = foreignCores(before, processorTimes(), rebuilt.liveMs / 1000)
    if (rebuilt.differences > 0) throw new Error(`The rebuilt list differs in ${rebuilt.differences} rows.`)
    if (rebuilt.events < orders) throw new Error(`Only ${rebuilt.events} events were folded.`)
    runs.push({ ...rebuilt, foreign })
  }
  await shop.stop()
  await verify(place)
  await places.remove(place)
  const foreign = runs.map((run) => run.foreign)
  return [
    {
      name: `${dialect}EventsPerSecond`,
      unit: 'events/s',
      values: runs.map(({ events, foldedMs }) => (events / foldedMs) * 1000),
      goal: { atLeast: GOALS[dialect] },
      foreign,
    },
    {
      name: `${dialect}EventsPerSecondToLive`,
      unit: 'events/s',
      values: runs.map(({ events, liveMs }) => (events / liveMs) * 1000),
    },
  ]
}
