// What a server holds and does: memory, SQL statements and processor time while idle, and memory under full load.
import { measured, profileLines, type Bench, type Context } from './support/bench.ts'
import type { Figure } from './support/figures.ts'
import { measure, verify, warmUp } from './support/measure.ts'
import { readMeters } from './support/meters.ts'
import type { Dialect } from './support/options.ts'
import { peakMegabytes, processorTimes, residentMegabytes } from './support/processes.ts'
import { startOverHttp, type Shop } from './support/programs.ts'

/** With the usual 5 seconds these are 20. */
const IDLE_FACTOR = 4
const GOALS = { idleMegabytes: 150, saturatedMegabytes: 450, statementsPerSecond: 5, cpuPercent: 1 }

export const memory: Bench = {
  name: 'memory',
  summary: 'memory of the server idle and at saturation; SQL statements and CPU while idle',
  async run(context) {
    const figures: Figure[] = []
    for (const dialect of context.options.stores) figures.push(...(await figuresOn(context, dialect)))
    return {
      figures,
      notes: [
        `Idle is the mean of ${context.options.seconds * IDLE_FACTOR} s after the start on an empty database.`,
        'Saturated is the most that the process ever held under 64 connections in a closed loop; afterwards is when',
        'all had settled.',
        ...profileLines(context.options, context.options.stores.map(nameOf)),
      ],
    }
  },
}

function nameOf(dialect: Dialect): string {
  return `${dialect}Memory`
}

interface Idle {
  readonly statementsPerSecond: number
  readonly cpuPercent: number
  readonly databaseCpuPercent: number
  readonly megabytes: number
}

async function figuresOn(context: Context, dialect: Dialect): Promise<readonly Figure[]> {
  const { places, options, progress } = context
  const place = await places.make(dialect, `${dialect}memory`)
  const shop = await startOverHttp(measured(options, place, nameOf(dialect)))
  progress(`${dialect}: idle`)
  const idle = await watchIdle(shop, options.seconds * IDLE_FACTOR)
  await warmUp(shop, options.seconds)
  for (let run = 1; run <= options.runs; run += 1) {
    progress(`${dialect}: full load, ${run} of ${options.runs}`)
    await measure(shop, { seconds: options.seconds })
  }
  const saturated = peakMegabytes(shop.pid)
  const afterwards = residentMegabytes(shop.pid)
  await shop.stop()
  await verify(place)
  await places.remove(place)
  const figure = (name: string, unit: string, value: number): Figure => {
    return { name: `${dialect}${name}`, unit, values: [value] }
  }
  return [
    { ...figure('IdleMegabytes', 'MB', idle.megabytes), goal: { atMost: GOALS.idleMegabytes } },
    { ...figure('SaturatedMegabytes', 'MB', saturated), goal: { atMost: GOALS.saturatedMegabytes } },
    figure('AfterwardsMegabytes', 'MB', afterwards),
    {
      ...figure('IdleStatementsPerSecond', 'SQL/s', idle.statementsPerSecond),
      goal: { atMost: GOALS.statementsPerSecond },
    },
    { ...figure('IdleCpuPercent', '% of a core', idle.cpuPercent), goal: { atMost: GOALS.cpuPercent } },
    ...(dialect === 'postgres' ? [figure('IdleDatabaseCpuPercent', '% of a core', idle.databaseCpuPercent)] : []),
  ]
}

async function watchIdle(shop: Shop, seconds: number): Promise<Idle> {
  const before = await readMeters(shop.address)
  const databaseBefore = processorTimes().postgresMicros
  await new Promise((resolve) => void setTimeout(resolve, seconds * 1000))
  const after = await readMeters(shop.address)
  const percent = (micros: number): number => micros / 1e4 / seconds
  return {
    statementsPerSecond: (after.statements - before.statements) / seconds,
    cpuPercent: percent(after.cpuMicros - before.cpuMicros),
    databaseCpuPercent: percent(processorTimes().postgresMicros - databaseBefore),
    megabytes: residentMegabytes(shop.pid),
  }
}
