// The demo's player: plays the sample's orders and returns against the HTTP API, and counts what becomes of them.
import type { Api, ApiAnswer } from '../api.ts'
import { bodyOf, openApi } from '../api.ts'
import { CommandError } from '../command.ts'
import { clientBody, orderBody, productBody } from '../import/bodies.ts'
import { openingStock, readRetail, type RetailOrder, type RetailPlan, type RetailReturn } from '../import/retail.ts'
import { allOf, inTurns } from './in-turns.ts'
import type { PlayOrder, PlayResult } from './results.ts'
import { percentile } from './results.ts'
import { Returnable, type Pieces } from './returnable.ts'

/** Registering is a bulk load: as many at once as make good batches. */
const REGISTER_AT_ONCE = 128
const WAIT_SECONDS = 30
/** An order that has not ended after so many waits is stuck; the run says so instead of going on for ever. */
const MAX_WAITS = 20
const EXISTS = new Set(['CLIENT_EXISTS', 'SKU_TAKEN'])

interface OrderBody {
  readonly orderId: string
  readonly status: string
  readonly reason?: string
  readonly items: readonly Pieces[]
}

interface ReturnBody {
  readonly returnId: string
  readonly status: string
}

class Player {
  readonly #api: Api
  readonly #tell: (text: string) => void
  readonly #returnable = new Returnable()
  readonly #acceptedMs: number[] = []
  readonly #settledMs: number[] = []
  readonly #cancelledBy = new Map<string, number>()
  #placed = 0
  #existing = 0
  #confirmed = 0
  #failed = 0
  #items = 0
  #returnsDone = 0
  #returnsUnmatched = 0
  #requests = 0
  #rejected = 0

  constructor(api: Api, tell: (text: string) => void) {
    this.#api = api
    this.#tell = tell
  }

  /** Clients first, then products with their opening stock: orders name both. */
  async register({ clients, products, orders }: RetailPlan): Promise<void> {
    const stock = openingStock(orders)
    let done = 0
    const register = async (path: string, body: object, key: string): Promise<void> => {
      const answer = await this.#api.post(path, body, { idempotencyKey: key })
      if (!EXISTS.has(answer.code ?? '')) bodyOf(answer)
      done += 1
      this.#tell(`Registering ${clients.length} clients and ${products.length} products: ${done}`)
    }
    await allOf(clients, REGISTER_AT_ONCE, (client) => register('/v1/clients', clientBody(client), client.clientId))
    await allOf(products, REGISTER_AT_ONCE, (product) => {
      const quantity = stock.get(product.sku) ?? 0
      // Another part of the file asks for other stock: that is another request, and the product exists already.
      const key = `${product.sku} ${quantity} ${product.lastPrice}`
      return register('/v1/products', productBody(product, quantity), key)
    })
  }

  async play({ steps }: RetailPlan, callers: number): Promise<void> {
    const startedAtMs = performance.now()
    let done = 0
    await inTurns(steps, callers, async (step) => {
      await (step.kind === 'order' ? this.#order(step) : this.#giveBack(step))
      done += 1
      const perSecond = Math.round((1000 * done) / (performance.now() - startedAtMs))
      const ended = `${this.#confirmed} confirmed, ${this.#cancelled()} cancelled, ${this.#returnsDone} returned`
      this.#tell(`Playing ${done} of ${steps.length} orders and returns, ${perSecond} a second: ${ended}`)
    })
  }

  async #order(step: RetailOrder): Promise<void> {
    const startedAtMs = performance.now()
    const answer = await this.#api.post('/v1/orders', orderBody(step), { idempotencyKey: step.reference })
    const acceptedMs = performance.now() - startedAtMs
    const isExisting = answer.isRepeated || answer.code === 'REFERENCE_TAKEN'
    const ended = await this.#ended(idOf(answer))
    if (ended.status === 'CONFIRMED') this.#returnable.bought(step.clientId, ended.orderId, step.items)
    if (isExisting) this.#existing += 1
    else {
      this.#acceptedMs.push(acceptedMs)
      this.#settledMs.push(performance.now() - startedAtMs)
      this.#count(ended, step)
    }
  }

  #count({ status, reason = 'without a reason' }: OrderBody, { items }: RetailOrder): void {
    this.#placed += 1
    this.#items += items.length
    if (status === 'CONFIRMED') this.#confirmed += 1
    else if (status === 'FAILED') this.#failed += 1
    else this.#cancelledBy.set(reason, (this.#cancelledBy.get(reason) ?? 0) + 1)
  }

  #cancelled(): number {
    return [...this.#cancelledBy.values()].reduce((sum, count) => sum + count, 0)
  }

  async #ended(orderId: string): Promise<OrderBody> {
    for (let waits = 0; waits < MAX_WAITS; waits += 1) {
      const answer = await this.#api.get(`/v1/orders/${orderId}`, { waitSeconds: WAIT_SECONDS })
      const order = bodyOf<OrderBody>(answer)
      if (order.status !== 'PENDING' && order.status !== 'PAID') return order
    }
    throw new CommandError(`The order ${orderId} does not end. \`lonja order ${orderId}\` tells how far it is.`)
  }

  async #giveBack({ reference, clientId, items }: RetailReturn): Promise<void> {
    const { byOrder } = this.#returnable.take(clientId, items)
    if (byOrder.size === 0) this.#returnsUnmatched += 1
    let completed = 0
    for (const [orderId, pieces] of byOrder) {
      this.#requests += 1
      if (await this.#giveBackTo(orderId, pieces, reference)) completed += 1
      else this.#rejected += 1
    }
    if (completed > 0) this.#returnsDone += 1
  }

  /** @returns whether it was completed, not rejected. */
  async #giveBackTo(orderId: string, items: readonly Pieces[], reference: string): Promise<boolean> {
    const path = `/v1/orders/${orderId}/returns`
    const options = { idempotencyKey: `${reference} ${orderId}`, waitSeconds: WAIT_SECONDS }
    const answer = await this.#api.post(path, { items, reference }, options)
    // An earlier run, of which this one keeps the database, made it already.
    if (answer.code === 'RETURN_REFERENCE_TAKEN') return true
    let asked = bodyOf<ReturnBody>(answer)
    for (let waits = 0; asked.status === 'REQUESTED' && waits < MAX_WAITS; waits += 1) {
      asked = bodyOf<ReturnBody>(await this.#api.get(`${path}/${asked.returnId}`, { waitSeconds: WAIT_SECONDS }))
    }
    return asked.status === 'COMPLETED'
  }

  result(plan: RetailPlan, [registrationSeconds, seconds]: readonly [number, number]): PlayResult {
    const { rowsRead, rowsSkipped, clients, products, returns } = plan
    const counts = {
      asked: returns.length,
      done: this.#returnsDone,
      unmatched: this.#returnsUnmatched,
      requests: this.#requests,
      rejected: this.#rejected,
    }
    return {
      rowsRead,
      rowsSkipped,
      clients: clients.length,
      products: products.length,
      placed: this.#placed,
      existing: this.#existing,
      confirmed: this.#confirmed,
      cancelledBy: Object.fromEntries([...this.#cancelledBy].toSorted(([, one], [, other]) => other - one)),
      failed: this.#failed,
      items: this.#items,
      returns: counts,
      registrationSeconds,
      seconds,
      latencyMs: {
        acceptedP50: percentile(this.#acceptedMs, 0.5),
        acceptedP99: percentile(this.#acceptedMs, 0.99),
        settledP50: percentile(this.#settledMs, 0.5),
        settledP99: percentile(this.#settledMs, 0.99),
      },
    }
  }
}

/** The order that was placed, now or by an earlier run. */
function idOf(answer: ApiAnswer): string {
  const { details } = Object(answer.body) as { readonly details?: { readonly orderId?: string } }
  if (answer.code === 'REFERENCE_TAKEN' && details?.orderId !== undefined) return details.orderId
  return bodyOf<OrderBody>(answer).orderId
}

/** Reads, registers and plays the file. @throws {CommandError} {ImportFileError} with a sentence. */
export async function playFile(
  { url, key, file, limit, callers }: PlayOrder,
  tell: (text: string) => void,
): Promise<PlayResult> {
  tell(`Reading ${file}`)
  const plan = await readRetail(file, { limit })
  if (plan.steps.length === 0) throw new CommandError(`${file} has no order that can be played.`)
  const api = openApi({ url, key, connections: Math.max(callers, REGISTER_AT_ONCE) })
  const player = new Player(api, tell)
  try {
    const registeredFrom = performance.now()
    await player.register(plan)
    const playedFrom = performance.now()
    await player.play(plan, callers)
    const seconds = [playedFrom - registeredFrom, performance.now() - playedFrom].map((ms) => Math.round(ms) / 1000)
    return player.result(plan, [seconds[0] ?? 0, seconds[1] ?? 0])
  } finally {
    api.close()
  }
}
