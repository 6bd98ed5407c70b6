// The load generator: places orders over raw sockets that stay open, so that it takes little of the cores it shares.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { percentile } from './figures.ts'
import { createProgress, obey, type Fed, type FeedPlan } from './orders.ts'
import { createOrders, seededRandom } from './shop.ts'

const CONNECTIONS = 64
/** Whole requests made beforehand: the generator only writes them. */
const PREPARED_REQUESTS = 4096
const WAIT_SECONDS = 30

const address = new URL(process.argv[2] ?? '')

function requestsWith(header: string): readonly Buffer[] {
  const next = createOrders(2)
  return Array.from({ length: PREPARED_REQUESTS }, () => {
    const body = JSON.stringify(next())
    const head = [`POST /v1/orders HTTP/1.1`, `host: ${address.host}`, 'content-type: application/json', header]
    const lines = [...head.filter((line) => line !== ''), `content-length: ${Buffer.byteLength(body)}`]
    return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`)
  })
}
const plainRequests = requestsWith('')
const waitingRequests = requestsWith(`prefer: wait=${WAIT_SECONDS}`)

/** One socket that sends a request at a time. */
class Connection {
  readonly #socket: Socket
  #text = ''
  #answered: (answer: string) => void = () => undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('close', () => this.#answered('closed'))
    socket.on('error', (error) => this.#answered(error.message))
  }

  static async open(): Promise<Connection> {
    const socket = connect(Number(address.port), address.hostname)
    await once(socket, 'connect')
    return new Connection(socket)
  }

  /** @returns the whole answer as text. */
  send(request: Buffer): Promise<string> {
    return new Promise((resolve) => {
      this.#answered = resolve
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#text += chunk.toString('latin1')
    const headEnd = this.#text.indexOf('\r\n\r\n')
    if (headEnd === -1) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1] ?? 0)
    if (this.#text.length < headEnd + 4 + length) return
    const answer = this.#text
    this.#text = ''
    this.#answered(answer)
  }
}

/** Opened anew for each run: a server closes what was idle for 72 s, and an order written there is never answered. */
function connectAll(): Promise<readonly Connection[]> {
  return Promise.all(Array.from({ length: CONNECTIONS }, () => Connection.open()))
}

interface Round {
  readonly plan: FeedPlan
  readonly endAtMs: number
  readonly progress: (orders: number) => void
  readonly answeredMs: number[]
  placed: number
}

function isOver({ placed, endAtMs, plan: { orders = Infinity } }: Round): boolean {
  return placed >= orders || performance.now() >= endAtMs
}

async function place(connection: Connection, round: Round, dueAtMs: number): Promise<void> {
  round.placed += 1
  const { waits = false } = round.plan
  const request = (waits ? waitingRequests : plainRequests)[round.placed % PREPARED_REQUESTS]
  if (request === undefined) throw new Error('No requests were prepared.')
  const answer = await connection.send(request)
  round.answeredMs.push(performance.now() - dueAtMs)
  const isRight = answer.startsWith('HTTP/1.1 201 ') && (!waits || answer.includes('"status":"CONFIRMED"'))
  if (!isRight) throw new Error(`An order was answered ${answer.slice(0, 12)}: ${answer.slice(-300)}`)
  round.progress(round.placed)
}

/** Each connection sends its next order when the last one was answered. */
async function feedClosed(round: Round, connections: readonly Connection[]): Promise<void> {
  const call = async (connection: Connection): Promise<void> => {
    while (!isOver(round)) await place(connection, round, performance.now())
  }
  await Promise.all(connections.map(call))
}

/**
 * Orders come in gaps as of independent callers (exponential), whatever the server does. Each is timed from when it was
 * due, so that one which had to wait for a connection, or for this process, is not made to look fast.
 */
async function feedOpen(round: Round, perSecond: number, connections: readonly Connection[]): Promise<void> {
  const random = seededRandom(3)
  const idle = [...connections]
  const waiting: number[] = []
  const underWay = new Set<Promise<void>>()
  const failures: unknown[] = []
  const start = (connection: Connection, dueAtMs: number): void => {
    const placing = place(connection, round, dueAtMs)
      .then(() => {
        const next = waiting.shift()
        if (next === undefined) idle.push(connection)
        else start(connection, next)
      })
      .catch((error: unknown) => void failures.push(error))
      .finally(() => underWay.delete(placing))
    underWay.add(placing)
  }
  let dueAtMs = performance.now()
  while (!isOver(round) && failures.length === 0) {
    dueAtMs += (-Math.log(1 - random()) * 1000) / perSecond
    const delayMs = dueAtMs - performance.now()
    if (delayMs > 0) await new Promise((resolve) => void setTimeout(resolve, delayMs))
    const connection = idle.pop()
    if (connection === undefined) waiting.push(dueAtMs)
    else start(connection, dueAtMs)
  }
  while (underWay.size > 0) await Promise.all(underWay)
  if (failures.length > 0) throw failures[0]
}

async function feed(plan: FeedPlan, tell: (orders: number) => void): Promise<Fed> {
  const connections = await connectAll()
  const startedAtMs = performance.now()
  const cpuBefore = process.cpuUsage()
  const endAtMs = startedAtMs + (plan.seconds ?? Infinity) * 1000
  const round: Round = { plan, endAtMs, progress: createProgress(tell), answeredMs: [], placed: 0 }
  if (plan.perSecond === undefined) await feedClosed(round, connections)
  else await feedOpen(round, plan.perSecond, connections)
  const { answeredMs } = round
  const { user, system } = process.cpuUsage(cpuBefore)
  const loadCores = (user + system) / 1000 / (performance.now() - startedAtMs)
  for (const connection of connections) connection.close()
  return {
    orders: round.placed,
    answeredMs: { p50: percentile(answeredMs, 0.5), p99: percentile(answeredMs, 0.99) },
    loadCores,
  }
}

obey(async (ask, progress) => {
  if ('feed' in ask) return { fed: await feed(ask.feed, progress) }
  return { failed: 'The load generator only feeds orders.' }
})
process.on('disconnect', () => process.exit(0))
