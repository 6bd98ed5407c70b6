// The measured process of the in-process benches: the whole application, and callers in the same process.
import { startApp } from '../../src/app.ts'
import { resolveSettings } from '../../src/platform/settings.ts'
import { PlaceOrder } from '../../src/services/orders/contract.ts'
import { createProgress, obey, type Fed, type FeedPlan, type Rebuilt } from './orders.ts'
import { createOrders } from './shop.ts'

/** Callers who each wait for the answer to their order before they place the next. */
const OPEN_ORDERS = 800
/** Made beforehand, so that choosing them costs the measured process nothing. */
const PREPARED_ORDERS = 8192
const LOOK_EVERY_MS = 5

const { settings } = resolveSettings(['--port', '0', '--log-level', 'error'], process.env)
const app = await startApp(settings)
const { application } = app
const prepared = Array.from({ length: PREPARED_ORDERS }, createOrders(1))

function place(at: number): Promise<unknown> {
  const order = prepared[at % PREPARED_ORDERS]
  if (order === undefined) throw new Error('No orders were prepared.')
  return application.submit({
    service: 'orders',
    command: PlaceOrder({
      orderId: application.newId(),
      clientId: order.clientId,
      items: [...order.items],
      source: 'bench',
      mayQuote: false,
    }),
    reply: () => ({ status: 201 }),
    principal: 'bench',
    role: 'clerk',
    scope: undefined,
    bodyHash: '',
    traceparent: undefined,
  })
}

async function feed({ orders = Infinity, seconds = Infinity }: FeedPlan, tell: (orders: number) => void): Promise<Fed> {
  const endAtMs = performance.now() + seconds * 1000
  const progress = createProgress(tell)
  let placed = 0
  const call = async (): Promise<void> => {
    while (placed < orders && performance.now() < endAtMs) {
      await place((placed += 1))
      progress(placed)
    }
  }
  await Promise.all(Array.from({ length: OPEN_ORDERS }, call))
  await application.settled()
  return { orders: placed }
}

async function rebuild(projection: string): Promise<Rebuilt> {
  const startedAt = performance.now()
  const sinceStart = (): number => performance.now() - startedAt
  await application.rebuilds.start(projection)
  let foldedMs: number | undefined
  for (;;) {
    await new Promise((resolve) => void setTimeout(resolve, LOOK_EVERY_MS))
    const { phase, total, report, problem } = await application.rebuilds.status(projection)
    if (phase === 'failed') throw new Error(problem ?? 'The rebuild failed.')
    if (phase !== 'filling' && phase !== 'none') foldedMs ??= sinceStart()
    if (phase === 'done' && report !== null && foldedMs !== undefined) {
      return { events: total, foldedMs, liveMs: sinceStart(), differences: report.differences }
    }
  }
}

obey(async (ask, progress) => {
  if ('feed' in ask) return { fed: await feed(ask.feed, progress) }
  return { rebuilt: await rebuild(ask.rebuild) }
})
process.on('disconnect', () => void app.stop().then(() => process.exit(0)))
process.send?.({ address: app.address })
