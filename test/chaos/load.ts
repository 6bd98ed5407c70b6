// Buyers over HTTP, each with his own seeded dice, who repeat what was not answered under the same Idempotency-Key.
import assert from 'node:assert/strict'
import { waitFor } from '../../src/testing/wait-for.ts'

export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly replayed: boolean
}

interface Asked {
  readonly method: 'GET' | 'POST' | 'PATCH'
  readonly path: string
  readonly body?: unknown
  readonly key?: string
  /** Seconds that the request may wait for the order's end. */
  readonly wait?: number
}

export interface LoadOptions {
  readonly seed: number
  readonly buyers: number
  /** A buyer who was not answered for so long asks again, elsewhere where there is an elsewhere. */
  readonly patienceMs?: number
}

/** What a buyer was told of an order. */
export interface Acknowledged {
  readonly orderId: string
  /** What was being done to the shop then. */
  readonly during: string
  cancelled: boolean
  readonly returns: string[]
}

const PLENTY = { skus: 6, pieces: 1_000_000 }
const SCARCE = { skus: 4, pieces: 60 }
const CLIENTS = 8
const PATIENCE_MS = 20_000
/**
 * Once nothing is done to the shop any more. Before that a request may be cut again and again: a refusal that a lagging
 * copy may have caused takes two seconds, and some lives of a shop are shorter.
 */
const ANSWERED_WITHIN_MS = 45_000
const ANY_TIME_MS = 2 ** 31
const MORE_WITHIN_MS = 60_000
const UNAVAILABLE = 503
const NOT_SENT_IN_TIME = 408
const UNPROCESSABLE = 422
/** How many of the orders name something that is not sold. */
const REFUSED_SHARE = 0.04

/** Small and seedable (mulberry32), so that each buyer's orders are the same in every run of a seed. */
export function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d_2b_79_f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export class Load {
  readonly #options: LoadOptions
  readonly #servers = new Set<string>()
  readonly #clients: string[] = []
  readonly #skus: string[] = []
  readonly acknowledged = new Map<string, Acknowledged>()
  /** When each of them was, by `performance.now()`. */
  readonly acknowledgedAtMs: number[] = []
  /** Keys under which an order was refused; each is the order's reference, too. */
  readonly refused = new Set<string>()
  /** Keys under which an order was sent. */
  readonly sent = new Set<string>()
  /** Noted with each order that is acknowledged. */
  during = ''
  /** Orders whose connection broke while their answer was awaited, since `count` was set to 0. */
  cutOrders = 0
  /** Answers 503, as problems. */
  unavailable = 0
  replays = 0
  /** Requests that nobody answered in time. */
  timeouts = 0
  waitingBuyers = 0
  failure: unknown
  #isOver = true
  /** Where each buyer is, so that he may stop and go on. */
  readonly #buyers = new Map<number, { readonly roll: () => number; n: number }>()
  #quietSinceMs = performance.now()
  #buying: Promise<unknown> = Promise.resolve()

  constructor(options: LoadOptions) {
    this.#options = options
  }

  /** Requests go to one of the servers that are up. */
  up(url: string): void {
    this.#servers.add(url)
  }

  down(url: string): void {
    this.#servers.delete(url)
  }

  /** Clients and products, with plenty in stock of some and little of others. */
  async prepare(): Promise<void> {
    this.#quietSinceMs = performance.now()
    const { seed } = this.#options
    for (let n = 0; n < CLIENTS; n += 1) {
      const body = { name: `Client ${n}`, email: `c${n}@example.com`, addresses: [addressOf('1 Quay Street')] }
      const { status, body: client } = await this.ask({
        method: 'POST',
        path: '/v1/clients',
        body,
        key: `c${seed}-${n}`,
      })
      assert.equal(status, 201)
      this.#clients.push(String(client['clientId']))
    }
    for (const [name, { skus, pieces }] of Object.entries({ PLENTY, SCARCE })) {
      for (let n = 0; n < skus; n += 1) {
        const body = { sku: `${name}-${n}`, name, price: `${n + 1}.50`, quantity: pieces }
        const added = await this.ask({ method: 'POST', path: '/v1/products', body, key: `p${seed}-${name}-${n}` })
        assert.equal(added.status, 201)
        this.#skus.push(body.sku)
      }
    }
  }

  get isBuying(): boolean {
    return !this.#isOver
  }

  /** From now on all buyers buy. */
  begin(): void {
    const { buyers } = this.#options
    this.#isOver = false
    this.#buying = Promise.all(Array.from({ length: buyers }, (_, buyer) => this.#buy(buyer))).catch(
      (error: unknown) => {
        this.failure ??= error
        this.#isOver = true
      },
    )
  }

  /** Resolves when every buyer has finished what he began. @throws what went wrong for one of them. */
  async finish(): Promise<void> {
    this.#quietSinceMs = performance.now()
    this.#isOver = true
    await this.#buying
    this.mustGoOn()
  }

  /** The keys that were sent by now. */
  get keys(): ReadonlySet<string> {
    return new Set([...this.sent, ...this.refused])
  }

  /** The database is that of an earlier moment: what was asked of it since never was. */
  forgetAllBut(keys: ReadonlySet<string>): void {
    for (const known of [this.acknowledged, this.refused, this.sent]) {
      for (const key of known.keys()) if (!keys.has(key)) known.delete(key)
    }
  }

  /** Nobody buys any more, and whoever waits for something of the load is told why. */
  breakOff(reason: Error): void {
    this.failure ??= reason
    this.#isOver = true
  }

  /** Waits until so many more orders were acknowledged. @throws what went wrong for a buyer. */
  async more(orders: number, withinMs = MORE_WITHIN_MS): Promise<void> {
    const enough = this.acknowledged.size + orders
    const what = `${orders} more orders`
    await waitFor(() => this.mustGoOn() && this.acknowledged.size >= enough, { withinMs, what })
  }

  /** When the first order after that was acknowledged. */
  firstSince(fromMs: number): number | undefined {
    return this.acknowledgedAtMs.find((atMs) => atMs >= fromMs)
  }

  /** The longest time since then without an order that was acknowledged. */
  longestPauseSince(fromMs: number): number {
    const moments = [fromMs, ...this.acknowledgedAtMs.filter((atMs) => atMs >= fromMs), performance.now()]
    return Math.max(...moments.slice(1).map((atMs, at) => atMs - (moments[at] ?? atMs)))
  }

  /** @throws what went wrong for a buyer. */
  mustGoOn(): true {
    if (this.failure !== undefined) throw this.failure as Error
    return true
  }

  async #buy(buyer: number): Promise<void> {
    const known = this.#buyers.get(buyer) ?? { roll: dice(this.#options.seed * 1000 + buyer), n: 0 }
    this.#buyers.set(buyer, known)
    const { roll } = known
    for (; !this.#isOver; known.n += 1) {
      const key = `${this.#options.seed}-${buyer}-${known.n}`
      if (roll() < REFUSED_SHARE) await this.#orderNothing(key, roll)
      else await this.#order(key, roll)
    }
  }

  /** Asks for what nobody sells: refused, and refused again under the same key. */
  async #orderNothing(key: string, roll: () => number): Promise<void> {
    const items = [...this.#basket(roll).items, { sku: 'NEVER-SOLD', quantity: 1 }]
    const body = { clientId: this.#clients[0], items, reference: key, shippingAddress: addressOf(key) }
    const request: Asked = { method: 'POST', path: '/v1/orders', body, key }
    this.refused.add(key)
    for (const answer of [await this.ask(request), await this.ask(request)]) {
      assert.deepEqual([answer.status, answer.body['code']], [UNPROCESSABLE, 'PRODUCT_UNKNOWN'], key)
    }
  }

  async #order(key: string, roll: () => number): Promise<void> {
    const body = { ...this.#basket(roll), ...troublesOf(key, roll), shippingAddress: addressOf(key) }
    const request: Asked = { method: 'POST', path: '/v1/orders', body, key, wait: roll() < 0.4 ? 5 : 0 }
    this.sent.add(key)
    const answers = [await this.ask(request)]
    // A double click, and one who does not trust the answer.
    if (roll() < 0.05) answers.push(...(await Promise.all([this.ask(request), this.ask(request)])))
    for (const { status, body } of answers) assert.equal(status, 201, JSON.stringify(body))
    const ids = new Set(answers.map(({ body }) => String(body['orderId'])))
    assert.equal(ids.size, 1, `the key ${key} made several orders`)
    const [orderId = ''] = ids
    const known: Acknowledged = { orderId, during: this.during, cancelled: false, returns: [] }
    this.acknowledged.set(key, known)
    this.acknowledgedAtMs.push(performance.now())
    const next = roll()
    if (next < 0.1) await this.#cancel(key, known)
    else if (next < 0.2) await this.#return(key, known)
  }

  #basket(roll: () => number) {
    const line = () => {
      const scarce = roll() < 0.15
      const from = scarce ? PLENTY.skus : 0
      const sku = this.#skus[from + Math.floor(roll() * (scarce ? SCARCE.skus : PLENTY.skus))]
      return { sku, quantity: 1 + Math.floor(roll() * 3) }
    }
    return {
      clientId: this.#clients[Math.floor(roll() * CLIENTS)],
      items: Array.from({ length: 1 + Math.floor(roll() * 2) }, line),
    }
  }

  async #cancel(key: string, known: Acknowledged): Promise<void> {
    const { orderId } = known
    const body = { status: 'CANCELLED' }
    const { status } = await this.ask({ method: 'PATCH', path: `/v1/orders/${orderId}`, body, key: `${key}-cancel` })
    // 409: it was confirmed already.
    assert.ok([200, 202, 409].includes(status), `cancelling answered ${status}`)
    known.cancelled = status !== 409
  }

  async #return(key: string, { orderId, returns }: Acknowledged): Promise<void> {
    const { body: order } = await this.ask({ method: 'GET', path: `/v1/orders/${orderId}`, wait: 5 })
    const [item] = order['items'] as readonly { readonly sku: string }[]
    if (order['status'] !== 'CONFIRMED' || item === undefined) return
    const body = { items: [{ sku: item.sku, quantity: 1 }] }
    const path = `/v1/orders/${orderId}/returns`
    const answer = await this.ask({ method: 'POST', path, body, key: `${key}-return` })
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    returns.push(String(answer.body['returnId']))
  }

  /** Asks until there is an answer other than 503, of whichever server is up then. */
  async ask(asked: Asked): Promise<Answer> {
    const what = `${asked.method} ${asked.path} (${asked.key ?? 'no key'})`
    const inVain: string[] = []
    const ask = () => this.#mayAsk(what, inVain) && this.#askOnce(asked, inVain)
    return waitFor(ask, { withinMs: ANY_TIME_MS, what })
  }

  /** @throws when nobody has answered for long, although nothing is done to the shop. */
  #mayAsk(what: string, inVain: readonly string[]): true {
    if (!this.isBuying && performance.now() > this.#quietSinceMs + ANSWERED_WITHIN_MS) {
      throw new Error(`Nobody answers ${what}, asked ${inVain.length} times, last ${inVain.at(-1)}`)
    }
    return this.mustGoOn()
  }

  /** @returns undefined when it has to be asked again. */
  async #askOnce(asked: Asked, inVain: string[]): Promise<Answer | undefined> {
    const url = await this.#anyServer()
    try {
      const answer = await fetchAnswer(url, asked, this.#options.patienceMs)
      if (answer.replayed) this.replays += 1
      // So slow that the server did not wait for its end: nothing of it was done.
      if (answer.status === NOT_SENT_IN_TIME) throw new DOMException('answered 408', 'TimeoutError')
      if (answer.status !== UNAVAILABLE) return answer
      assert.equal(typeof answer.body['code'], 'string', '503 is a problem with a code')
      this.unavailable += 1
      inVain.push(`${answer.status} ${String(answer.body['code'])}`)
    } catch (error) {
      const { name, cause } = error as Error & { readonly cause?: { readonly code?: string } }
      const isLate = name === 'TimeoutError'
      if (cause === undefined && !isLate) throw error
      if (isLate) this.timeouts += 1
      inVain.push(cause?.code ?? name)
      const isOrder = asked.method === 'POST' && asked.path === '/v1/orders'
      if (isOrder && cause?.code !== 'ECONNREFUSED') this.cutOrders += 1
      // One that is only late is asked again: it may be waiting for its database.
      if (!isLate) this.down(url)
    }
    return undefined
  }

  async #anyServer(): Promise<string> {
    this.waitingBuyers += 1
    try {
      return await waitFor(() => this.#mayAsk('anything', []) && this.#someServer(), {
        withinMs: ANY_TIME_MS,
        what: 'a server that is up',
      })
    } finally {
      this.waitingBuyers -= 1
    }
  }

  #turn = 0
  #someServer(): string | undefined {
    const servers = [...this.#servers]
    return servers[(this.#turn += 1) % servers.length]
  }
}

function addressOf(line1: string) {
  return { line1, city: 'Cadiz', country: 'ES' }
}

/**
 * Declined payments and slow ones; the rule stands in the reference, which has to be its own. Answers are lost by the
 * kills themselves: after each the simulated gateway has forgotten that it lost one, and would lose it again.
 */
function troublesOf(key: string, roll: () => number): { readonly reference?: string } {
  const which = roll()
  if (which < 0.05) return { reference: `${key}-DECLINE-FUNDS` }
  if (which < 0.2) return { reference: `${key}-SLOW-150` }
  return {}
}

async function fetchAnswer(
  url: string,
  { method, path, body, key, wait = 0 }: Asked,
  patienceMs = PATIENCE_MS,
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    signal: AbortSignal.timeout(patienceMs),
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
      ...(wait > 0 && { prefer: `wait=${wait}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const type = response.headers.get('content-type') ?? ''
  const text = await response.text()
  if (response.status === UNAVAILABLE) assert.match(type, /^application\/problem\+json/)
  return {
    status: response.status,
    body: JSON.parse(text) as Answer['body'],
    replayed: response.headers.get('idempotency-replayed') === 'true',
  }
}
