// `lonja import orders FILE`: brings orders from a file into the running server; what is broken is counted.
import { bodyOf, openApi, serverOf, type Api, type ApiAnswer } from '../api.ts'
import { CommandError, countFlag, EXIT, isSet, onlyWord, textFlag, UsageError, type Call } from '../command.ts'
import { allOf } from '../demo/in-turns.ts'
import type { Terminal } from '../terminal.ts'
import { tableOf } from '../terminal.ts'
import { clientBody, orderBody, productBody } from './bodies.ts'
import { isOrderLines, readOrderLines, type OrderBody } from './order-lines.ts'
import { openingStock, readRetail, type RetailPlan } from './retail.ts'

const CALLERS = 32
/** Placed again after a lost answer, an order's first answer comes back; only then is it known to be ours. */
const EXISTS = new Set(['CLIENT_EXISTS', 'SKU_TAKEN'])
/** Of each reason so many orders are named; all are counted. */
const EXAMPLES = 3

interface Counts {
  read: number
  placed: number
  /** Orders whose reference the server has already. */
  existing: number
  readonly refused: Map<string, number>
  readonly examples: Map<string, string[]>
  readonly skipped: Map<string, number>
  returnsLeftOut: number
}

interface Import {
  readonly api: Api
  readonly terminal: Terminal
  readonly callers: number
  readonly limit: number
  readonly counts: Counts
  readonly stockShare: number
}

export async function importOrders(call: Call): Promise<number> {
  const file = onlyWord(call, 'FILE')
  const { settings, terminal } = call
  const callers = countFlag(call, 'callers') ?? CALLERS
  const api = openApi({ ...serverOf(settings), connections: callers })
  const job: Import = {
    api,
    terminal,
    callers,
    limit: countFlag(call, 'limit') ?? Infinity,
    counts: noCounts(),
    stockShare: shareOf(textFlag(call, 'opening-stock')),
  }
  const startedAtMs = performance.now()
  try {
    await requireServer(api)
    if (await isOrderLines(file)) await importLines(job, file)
    else await importRetail(job, file)
  } finally {
    api.close()
    terminal.endProgress()
  }
  const seconds = Math.round(performance.now() - startedAtMs) / 1000
  if (isSet(call, 'json')) terminal.json({ file, ...listed(job.counts), seconds })
  else for (const line of summary(file, job.counts, seconds)) terminal.line(line)
  return exitCode(job.counts)
}

function noCounts(): Counts {
  return {
    read: 0,
    placed: 0,
    existing: 0,
    refused: new Map(),
    examples: new Map(),
    skipped: new Map(),
    returnsLeftOut: 0,
  }
}

/** Nothing could be read, or the server refused everything. */
function exitCode({ placed, existing }: Counts): number {
  return placed + existing > 0 ? EXIT.ok : EXIT.failed
}

function shareOf(text = '1'): number {
  const share = /^\d+(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN
  if (share <= 100) return share
  throw new UsageError(`--opening-stock is "${text}": write a share such as 0.97, from 0 to 100.`)
}

/** Before a long file is read: a wrong address or key should be told at once. */
async function requireServer(api: Api): Promise<void> {
  bodyOf(await api.get('/v1/orders?limit=1'))
}

async function importLines(job: Import, file: string): Promise<void> {
  const { counts, callers, limit } = job
  let batch: OrderBody[] = []
  const flush = async (): Promise<void> => {
    await allOf(batch, callers, (order) => place(job, order))
    batch = []
  }
  // Read in pieces, so that a file of any size needs little memory.
  for await (const line of readOrderLines(file)) {
    if (counts.read >= limit) break
    counts.read += 1
    if (typeof line === 'string') add(counts.skipped, line)
    else batch.push(line)
    if (batch.length >= BATCH) await flush()
  }
  await flush()
}

const BATCH = 1000

async function importRetail(job: Import, file: string): Promise<void> {
  const { counts, callers, limit, terminal } = job
  terminal.progress(`Reading ${file}`)
  const plan = await readRetail(file, { limit })
  counts.read = plan.orders.length
  counts.returnsLeftOut = plan.returns.length
  for (const [reason, rows] of Object.entries(plan.rowsSkipped)) if (rows > 0) counts.skipped.set(reason, rows)
  await register(job, plan)
  await allOf(plan.orders, callers, (order) => place(job, orderBody(order)))
}

/** Clients and products that the file's orders name and the server lacks. */
async function register({ api, terminal, callers, stockShare }: Import, plan: RetailPlan): Promise<void> {
  const { clients, products, orders } = plan
  const stock = openingStock(orders, stockShare)
  const send = async (path: string, body: object, key: string): Promise<void> => {
    const answer = await api.post(path, body, { idempotencyKey: key })
    if (!EXISTS.has(answer.code ?? '')) bodyOf(answer)
    terminal.progress(`Registering ${clients.length} clients and ${products.length} products`)
  }
  await allOf(clients, callers, (client) => send('/v1/clients', clientBody(client), `client ${client.clientId}`))
  await allOf(products, callers, (product) => {
    const body = productBody(product, stock.get(product.sku) ?? 0)
    return send('/v1/products', body, `product ${product.sku} ${body.price} ${body.quantity}`)
  })
}

async function place({ api, counts, terminal }: Import, order: OrderBody): Promise<void> {
  const answer = await api.post('/v1/orders', order, { idempotencyKey: keyOf(order.reference) })
  if (answer.problem === undefined && !answer.isRepeated) counts.placed += 1
  else if (answer.problem === undefined || isTaken(answer)) counts.existing += 1
  else refuse(counts, order, answer)
  terminal.progress(`${counts.placed} orders placed, ${counts.existing} existed, ${total(counts.refused)} refused`)
}

// The key must be printable ASCII; a reference need not be.
function keyOf(reference: string): string {
  return `import ${encodeURIComponent(reference)}`.slice(0, MAX_KEY_LENGTH)
}

const MAX_KEY_LENGTH = 200

function isTaken({ code }: ApiAnswer): boolean {
  return code === 'REFERENCE_TAKEN' || code === 'IDEMPOTENCY_KEY_REUSED'
}

function refuse(
  { refused, examples }: Counts,
  { reference }: OrderBody,
  { status, code = '', problem = '' }: ApiAnswer,
): void {
  // No key, no right, or a server in trouble: the next order would get the same answer.
  if (status === 401 || status === 403 || status >= 500) throw new CommandError(`${problem} (${code})`)
  add(refused, code)
  const named = examples.get(code) ?? []
  if (named.length < EXAMPLES) examples.set(code, [...named, `${reference}: ${problem}`])
}

function add(counts: Map<string, number>, reason: string): void {
  counts.set(reason, (counts.get(reason) ?? 0) + 1)
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0)
}

function listed({ read, placed, existing, refused, examples, skipped, returnsLeftOut }: Counts) {
  return {
    orders: { read, placed, existing, refused: total(refused) },
    refused: Object.fromEntries(refused),
    examples: Object.fromEntries(examples),
    skipped: Object.fromEntries(skipped),
    returnsLeftOut,
  }
}

function summary(file: string, counts: Counts, seconds: number): string[] {
  const { read, placed, existing, refused, examples, skipped, returnsLeftOut } = counts
  const rows = [
    ['Read', `${read} orders from ${file} in ${seconds} s`],
    ['Placed', String(placed)],
    ['Existed', String(existing)],
    ...[...refused].map(([code, count]) => ['Refused', `${count} ${code}`]),
    ...[...skipped].map(([reason, count]) => ['Left out', `${count} ${reason}`]),
    ...(returnsLeftOut === 0 ? [] : [['Left out', `${returnsLeftOut} returns: they are no orders`]]),
  ]
  const named = [...examples.values()].flat().map((example) => `  ${example}`)
  return [...tableOf(rows), ...(named.length === 0 ? [] : ['For example:', ...named])]
}
