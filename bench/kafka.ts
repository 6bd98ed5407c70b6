// What Kafka costs: whole sagas with all records shipped, the relay alone, a reader alone, and how long a record takes.
import { Fetcher } from '../src/platform/kafka/fetcher.ts'
import { fromKafka } from '../src/platform/kafka/record-headers.ts'
import { systemClock } from '../src/platform/system.ts'
import { services } from '../src/services.ts'
import { fromTheBeginning, startRelay, topicNames } from '../src/testing/kafka/relayed.ts'
import { measured, profileLines, type Bench, type Context } from './support/bench.ts'
import { percentile, type Figure } from './support/figures.ts'
import { batching, measure, verify, warmUp, type Measured } from './support/measure.ts'
import type { Place } from './support/places.ts'
import { startInProcess, startOverHttp } from './support/programs.ts'

/** Broker, database, Lonja and the load share two cores. */
const GOALS: Readonly<Record<string, Figure['goal']>> = {
  kafkaInProcess: { atLeast: 600 },
  kafkaHttp: { atLeast: 400 },
  kafkaRelayRecordsPerSecond: { atLeast: 20_000 },
  kafkaReaderRecordsPerSecond: { atLeast: 50_000 },
  kafkaArrivedP99Ms: { atMost: 100 },
}
const WAYS = { InProcess: startInProcess, Http: startOverHttp }
const PER_SECOND = 200
/** A broker of Java that was just started: the p99 of its first 8 s was 182 ms, of the 8 s after those 82 ms. */
const BROKER_WARM_UP_SECONDS = 20
/** Enough that the relay alone works for some seconds. */
const STORED_ORDERS = 5000

export const kafka: Bench = {
  name: 'kafka',
  summary: 'sagas on PostgreSQL and Kafka, the relay alone, a reader alone, and the time until a record is elsewhere',
  async run(context) {
    const figures: Figure[] = []
    const notes: string[] = []
    for (const [way, start] of Object.entries(WAYS)) {
      const name = `kafka${way}`
      const runs = await sagasOf(context, name, start)
      figures.push(...figuresOf(name, runs))
      notes.push(`${name}: ${batching(runs)}.`)
    }
    figures.push(...(await arrivals(context)), ...(await aloneOf(context)))
    return {
      figures,
      notes: [
        ...notes,
        ...profileLines(
          context.options,
          Object.keys(WAYS).map((way) => `kafka${way}`),
        ),
      ],
    }
  },
}

/** A run ends when every order is settled and every record acknowledged by Kafka. */
async function sagasOf(
  { places, options, progress }: Context,
  name: string,
  start: (typeof WAYS)[keyof typeof WAYS],
): Promise<readonly Measured[]> {
  const place = await places.makeOnKafka(name.toLowerCase())
  const shop = await start(measured(options, place, name))
  progress(`${name}: warming up`)
  await warmUp(shop, options.seconds)
  const runs: Measured[] = []
  for (let run = 1; run <= options.runs; run += 1) {
    progress(`${name}: run ${run} of ${options.runs}`)
    runs.push(await measure(shop, { seconds: options.seconds }))
  }
  await shop.stop()
  await verify(place)
  await places.remove(place)
  return runs
}

function figuresOf(name: string, runs: readonly Measured[]): readonly Figure[] {
  const figure = (suffix: string, unit: string, valueOf: (run: Measured) => number): Figure => {
    return { name: `${name}${suffix}`, unit, values: runs.map(valueOf), goal: GOALS[`${name}${suffix}`] }
  }
  return [
    { ...figure('', 'orders/s', (run) => run.perSecond), foreign: runs.map(({ foreignCores }) => foreignCores) },
    figure('MicrosPerOrder', 'µs CPU', (run) => run.microsPerOrder),
    figure('DatabaseMicrosPerOrder', 'µs CPU', (run) => run.databaseMicrosPerOrder),
    figure('BrokerMicrosPerOrder', 'µs CPU', (run) => run.kafkaMicrosPerOrder),
  ]
}

/** Reads every topic from an offset on and counts. */
function reader(brokers: readonly string[], hear: (appendedAt: number) => void) {
  const readings = fromTheBeginning(topicNames)
  return new Fetcher(
    {
      address: { brokers, clientId: 'bench' },
      isolation: 'uncommitted',
      clock: systemClock,
      deliver: (_, records) => {
        for (const record of records.map(fromKafka)) if (!('stranger' in record)) hear(record.appendedAt)
      },
      outOfRange: () => undefined,
      failed: (error) => process.stderr.write(`${String(error)}\n`),
    },
    () => readings,
  )
}

/** From the moment that a record is stamped with, just before its commit, until another process has it in hand. */
async function arrivals({ places, options, progress }: Context): Promise<readonly Figure[]> {
  const place = await places.makeOnKafka('kafkaarrivals')
  const shop = await startOverHttp({ place })
  await warmUp(shop, options.seconds)
  progress(`kafkaArrived: warming up the broker for ${BROKER_WARM_UP_SECONDS} s`)
  await measure(shop, { perSecond: PER_SECOND, seconds: BROKER_WARM_UP_SECONDS })
  const runs: number[][] = []
  let heard: number[] = []
  const fetcher = reader(place.brokers ?? [], (appendedAt) => heard.push(Date.now() - appendedAt))
  fetcher.start()
  for (let run = 1; run <= options.runs; run += 1) {
    progress(`kafkaArrived: run ${run} of ${options.runs}`)
    await caughtUp(() => heard.length)
    heard = []
    await measure(shop, { perSecond: PER_SECOND, seconds: options.seconds })
    runs.push(heard)
  }
  await fetcher.stop()
  await shop.stop()
  await places.remove(place)
  return [
    { name: 'kafkaArrivedP50Ms', unit: 'ms', values: runs.map((run) => percentile(run, 0.5)) },
    {
      name: 'kafkaArrivedP99Ms',
      unit: 'ms',
      values: runs.map((run) => percentile(run, 0.99)),
      goal: GOALS['kafkaArrivedP99Ms'],
    },
  ]
}

const QUIET_MS = 1500

/** Resolves when nothing more arrives. */
async function caughtUp(count: () => number): Promise<void> {
  for (let before = -1; before !== count();) {
    before = count()
    await new Promise<void>((resolve) => void setTimeout(resolve, QUIET_MS))
  }
}

/** Orders are stored while nobody relays; then the relay ships them, and a reader reads them, each alone. */
async function aloneOf({ places, options, progress }: Context): Promise<readonly Figure[]> {
  const shipped: number[] = []
  const read: number[] = []
  for (let run = 1; run <= options.runs; run += 1) {
    progress(`kafkaRelay: run ${run} of ${options.runs}`)
    const place = await places.makeOnKafka(`kafkaalone${run}`)
    const { brokers, ...withoutKafka } = place
    const shop = await startInProcess({ place: withoutKafka })
    await warmUp(shop, 1)
    await measure(shop, { orders: options.orders ?? STORED_ORDERS })
    await shop.stop()
    const records = await relayAlone(place, brokers ?? [])
    shipped.push(records.perSecond)
    read.push(await readAlone(brokers ?? [], records.count))
    await places.remove(place)
  }
  return [
    {
      name: 'kafkaRelayRecordsPerSecond',
      unit: 'records/s',
      values: shipped,
      goal: GOALS['kafkaRelayRecordsPerSecond'],
    },
    {
      name: 'kafkaReaderRecordsPerSecond',
      unit: 'records/s',
      values: read,
      goal: GOALS['kafkaReaderRecordsPerSecond'],
    },
  ]
}

async function relayAlone({ url }: Place, brokers: readonly string[]) {
  let count = 0
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let total = Infinity
  const startedAt = performance.now()
  const relay = await startRelay({
    url,
    address: { brokers, clientId: 'bench' },
    sources: services.map(({ name }) => name),
    observer: {
      shipped: (records) => {
        count += records
        if (count >= total) resolve()
      },
      failed: reject,
    },
  })
  total = (await relay.store.backlog()).reduce((sum, { records }) => sum + records, 0) + count
  if (count >= total) resolve()
  await promise
  const seconds = (performance.now() - startedAt) / 1000
  await relay.stop()
  return { count, perSecond: count / seconds }
}

async function readAlone(brokers: readonly string[], total: number): Promise<number> {
  let count = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  const startedAt = performance.now()
  const fetcher = reader(brokers, () => {
    count += 1
    if (count === total) resolve()
  })
  fetcher.start()
  await promise
  const seconds = (performance.now() - startedAt) / 1000
  await fetcher.stop()
  return count / seconds
}
