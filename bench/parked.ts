// Whether a thousand parked keys slow the healthy ones of the same consumer group down.
import { fileURLToPath } from 'node:url'
import { measured, type Bench, type Context } from './support/bench.ts'
import type { Figure } from './support/figures.ts'
import { measure, verify, warmUp, type Measured } from './support/measure.ts'
import { readParkedKeys, settle } from './support/meters.ts'
import type { Dialect } from './support/options.ts'
import { startOverHttp, type Shop } from './support/programs.ts'
import { addTroubledProducts } from './support/shop.ts'

const PARKED_KEYS = 1000
const MIN_PAIRS = 10
const PER_SECOND = 200
/** What healthy keys may lose beside parked ones. */
const P99_RATIO = 1.15
const RATE_RATIO = 0.9
const PARK_LIMIT_MS = 180_000
const LOOK_EVERY_MS = 200
const TROUBLE = fileURLToPath(new URL('./support/trouble.ts', import.meta.url))

export const parked: Bench = {
  name: 'parked',
  summary: `orders a second, and p99 until confirmed, with ${PARKED_KEYS} parked keys in inventory beside none`,
  async run(context) {
    const figures: Figure[] = []
    for (const dialect of context.options.stores) figures.push(...(await figuresOn(context, dialect)))
    return {
      figures,
      notes: [
        'Two servers on two databases, measured in turn, each pair in the other order; ratios are those of a pair.',
        `Inventory fails at ${PARKED_KEYS} products: their keys are parked, and tried again all the time with backoff.`,
      ],
    }
  },
}

type Side = 'calm' | 'troubled'
type Shops = Readonly<Record<Side, Shop>>

/** One run of each kind on one server. */
interface Run {
  readonly full: Measured
  readonly paced: Measured
}

async function figuresOn(context: Context, dialect: Dialect): Promise<readonly Figure[]> {
  const { options, progress } = context
  const shops: Shops = {
    calm: await open(context, dialect, 'calm'),
    troubled: await open(context, dialect, 'troubled'),
  }
  await addTroubledProducts(shops.troubled.address, PARKED_KEYS, (done) => {
    progress(`${dialect}: ${done} of ${PARKED_KEYS} keys parked`)
  })
  await untilParked(shops.troubled.address)
  const pairs: Readonly<Record<Side, Run>>[] = []
  for (let pair = 1; pair <= Math.max(MIN_PAIRS, options.runs); pair += 1) {
    progress(`${dialect}: pair ${pair} of ${Math.max(MIN_PAIRS, options.runs)}`)
    pairs.push(await pairOf(shops, options.seconds, pair % 2 === 0))
  }
  const keys = await readParkedKeys(shops.troubled.address)
  if (keys !== PARKED_KEYS)
    throw new Error(`${keys} keys are parked at the end, not ${PARKED_KEYS}: nothing was measured.`)
  for (const shop of Object.values(shops)) {
    await shop.stop()
    await verify(shop.place)
    await context.places.remove(shop.place)
  }
  return figuresOf(dialect, pairs)
}

/** Each message is tried in place first. @throws when they are not parked in time. */
async function untilParked(address: string): Promise<void> {
  const limitMs = performance.now() + PARK_LIMIT_MS
  while ((await readParkedKeys(address)) < PARKED_KEYS) {
    if (performance.now() > limitMs) throw new Error(`${PARKED_KEYS} keys were not parked within ${PARK_LIMIT_MS} ms.`)
    await new Promise((resolve) => void setTimeout(resolve, LOOK_EVERY_MS))
  }
  await settle(address)
}

async function open({ places, options, progress }: Context, dialect: Dialect, side: Side): Promise<Shop> {
  const place = await places.make(dialect, `${dialect}${side}`)
  const shop = await startOverHttp({ ...measured(options, place, `${dialect}${side}`), preload: TROUBLE })
  progress(`${dialect} ${side}: warming up`)
  await warmUp(shop, options.seconds)
  return shop
}

async function pairOf(shops: Shops, seconds: number, isCalmFirst: boolean): Promise<Readonly<Record<Side, Run>>> {
  const runOn = async (shop: Shop): Promise<Run> => {
    const full = await measure(shop, { seconds })
    return { full, paced: await measure(shop, { perSecond: PER_SECOND, seconds, waits: true }) }
  }
  const first = await runOn(isCalmFirst ? shops.calm : shops.troubled)
  const second = await runOn(isCalmFirst ? shops.troubled : shops.calm)
  return isCalmFirst ? { calm: first, troubled: second } : { calm: second, troubled: first }
}

function figuresOf(dialect: Dialect, pairs: readonly Readonly<Record<Side, Run>>[]): readonly Figure[] {
  const rate = ({ full }: Run): number => full.perSecond
  const p99 = ({ paced }: Run): number => paced.fed.answeredMs?.p99 ?? 0
  const of = (side: Side, valueOf: (run: Run) => number): number[] => pairs.map((pair) => valueOf(pair[side]))
  const ratios = (valueOf: (run: Run) => number): number[] => {
    return pairs.map(({ calm, troubled }) => valueOf(troubled) / valueOf(calm))
  }
  const foreign = pairs.map(({ troubled }) => troubled.full.foreignCores)
  const micros = ({ full }: Run): number => full.microsPerOrder + full.databaseMicrosPerOrder
  return [
    { name: `${dialect}PerSecond`, unit: 'orders/s', values: of('calm', rate) },
    { name: `${dialect}ParkedPerSecond`, unit: 'orders/s', values: of('troubled', rate), foreign },
    { name: `${dialect}RateRatio`, unit: 'parked / none', values: ratios(rate), goal: { atLeast: RATE_RATIO } },
    { name: `${dialect}ConfirmedP99Ms`, unit: 'ms', values: of('calm', p99) },
    { name: `${dialect}ParkedConfirmedP99Ms`, unit: 'ms', values: of('troubled', p99) },
    { name: `${dialect}P99Ratio`, unit: 'parked / none', values: ratios(p99), goal: { atMost: P99_RATIO } },
    { name: `${dialect}CpuRatio`, unit: 'parked / none', values: ratios(micros) },
  ]
}
