// From the start of the process to its first accepted order, on a database that holds many.
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createHttpClient, type HttpClient } from '../src/platform/http/client.ts'
import { fill, measured, profileLines, type Bench, type Context } from './support/bench.ts'
import type { Figure } from './support/figures.ts'
import { verify } from './support/measure.ts'
import { settle } from './support/meters.ts'
import type { Dialect } from './support/options.ts'
import type { Place } from './support/places.ts'
import { foreignCores, processorTimes } from './support/processes.ts'
import { startServer } from './support/programs.ts'
import { createOrders } from './support/shop.ts'

const ORDERS = 100_000
const GOAL_MS = 1000
const LOOK_EVERY_MS = 2
const TIMEOUT_MS = 10_000

interface Run {
  readonly firstOrderMs: number
  readonly foreign: number
}

export const start: Bench = {
  name: 'start',
  summary: `from the process's start to its first accepted order, with ${ORDERS.toLocaleString('en-US')} orders stored`,
  async run(context) {
    const figures: Figure[] = []
    for (const dialect of context.options.stores) {
      const runs = await runsOn(context, dialect)
      figures.push({
        name: `${dialect}FirstOrderMs`,
        unit: 'ms',
        values: runs.map(({ firstOrderMs }) => firstOrderMs),
        goal: { atMost: GOAL_MS },
        foreign: runs.map(({ foreign }) => foreign),
      })
    }
    return { figures, notes: profileLines(context.options, context.options.stores.map(nameOf)) }
  },
}

function nameOf(dialect: Dialect): string {
  return `${dialect}Start`
}

async function runsOn(context: Context, dialect: Dialect): Promise<readonly Run[]> {
  const { options, places, progress } = context
  const place = await fill(context, dialect, { name: `${dialect}start`, orders: options.orders ?? ORDERS })
  const runs: Run[] = []
  for (let run = 1; run <= options.runs; run += 1) {
    progress(`${dialect}: start ${run} of ${options.runs}`)
    runs.push(await startOnce(context, place, nameOf(dialect)))
  }
  await verify(place)
  await places.remove(place)
  return runs
}

async function startOnce({ options }: Context, place: Place, name: string): Promise<Run> {
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const client = createHttpClient({ url: address, connections: 1, timeoutMs: TIMEOUT_MS })
  const before = processorTimes()
  const startedAtMs = performance.now()
  const server = startServer(measured(options, place, name), port)
  const accepted = placeWhenPossible(client)
  await Promise.race([accepted, server.exited.then(() => Promise.reject(server.failure('It did not start.')))])
  const firstOrderMs = performance.now() - startedAtMs
  const foreign = foreignCores(before, processorTimes(), firstOrderMs / 1000)
  place.orders += 1
  client.close()
  await settle(address)
  await server.stop('SIGTERM')
  return { firstOrderMs, foreign }
}

/** Nobody listens at first, so it asks again and again, as a load balancer would. */
async function placeWhenPossible(client: HttpClient): Promise<void> {
  const body = JSON.stringify(createOrders(4)())
  const headers = { 'content-type': 'application/json' }
  for (;;) {
    const answer = await client.send({ method: 'POST', path: '/v1/orders', headers, body }).catch(() => undefined)
    if (answer?.status === 201) return
    if (answer !== undefined) throw new Error(`The first order was answered ${answer.status}: ${answer.body}`)
    await new Promise((resolve) => void setTimeout(resolve, LOOK_EVERY_MS))
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
