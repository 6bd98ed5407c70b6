// `lonja order ID`: an order's story as text, each line under what caused it.
import type { Lonja } from '../platform/runtime/lonja.ts'
import type { StoryEntry } from '../kernel/route.ts'
import { momentOf } from '../kernel/inputs.ts'
import type { OrderRow } from '../services/orders/order-list.projection.ts'
import { bodyOf, openApi, type Api } from './api.ts'
import { CommandError, EXIT, isSet, onlyWord, type Call } from './command.ts'
import { readDatabase } from './read-database.ts'

/** Times as text, so that the database and the server's answer look alike. */
interface ToldEntry extends Omit<StoryEntry, 'at'> {
  readonly at: string
}

interface Story {
  readonly orderId: string
  readonly status: string
  readonly reason?: string | undefined
  readonly reference?: string | undefined
  readonly entries: readonly ToldEntry[]
}

const IS_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const TIME_OF_DAY = { from: 'YYYY-MM-DDT'.length, to: 'YYYY-MM-DDThh:mm:ss.sss'.length }
/** Deeper than this the lines would begin at the far right of the terminal. */
const MAX_DEPTH = 12

export async function order(call: Call): Promise<number> {
  const wanted = onlyWord(call, 'ID')
  const { settings, terminal } = call
  const { url, key } = settings
  const story =
    url === undefined
      ? await readDatabase(settings, (lonja) => readStory(lonja, wanted))
      : await askStory(openApi({ url, key }), wanted)
  if (isSet(call, 'json')) terminal.json(story)
  else for (const line of storyLines(story)) terminal.line(line)
  return EXIT.ok
}

async function readStory(lonja: Lonja, wanted: string): Promise<Story> {
  const reader = lonja.reader('orders')
  const column = IS_ID.test(wanted) ? 'order_id' : 'reference'
  const value = IS_ID.test(wanted) ? wanted.toLowerCase() : wanted
  const rows = await reader.rows<OrderRow>(`SELECT * FROM {order_list} WHERE ${column} = ?`, [value])
  const [row] = one(rows, wanted, (each) => `${each.order_id} of ${each.source}`)
  const entries = await lonja.story(row.order_id)
  return {
    orderId: row.order_id,
    status: row.status,
    reason: row.reason ?? undefined,
    reference: row.reference ?? undefined,
    entries: entries.map((entry) => ({ ...entry, at: momentOf(entry.at) })),
  }
}

interface ListedOrder {
  readonly orderId: string
  readonly source: string
}

async function askStory(api: Api, wanted: string): Promise<Story> {
  try {
    const orderId = IS_ID.test(wanted) ? wanted.toLowerCase() : await askId(api, wanted)
    const story = bodyOf<Story>(await api.get(`/v1/orders/${orderId}/story`))
    const { reason, reference } = bodyOf<Story>(await api.get(`/v1/orders/${orderId}`))
    return { ...story, reason, reference }
  } finally {
    api.close()
  }
}

async function askId(api: Api, reference: string): Promise<string> {
  const answer = await api.get(`/v1/orders?reference=${encodeURIComponent(reference)}`)
  const { items } = bodyOf<{ readonly items: readonly ListedOrder[] }>(answer)
  return one(items, reference, (each) => `${each.orderId} of ${each.source}`)[0].orderId
}

/** @throws {CommandError} when there is none, or several sources use one reference. */
function one<Found>(found: readonly Found[], wanted: string, nameOf: (each: Found) => string): [Found] {
  const [first, ...others] = found
  if (first === undefined) throw new CommandError(`No order has the id or reference ${wanted}. Check it.`)
  if (others.length === 0) return [first]
  throw new CommandError(
    `Several orders have the reference ${wanted}; name one by its id: ${found.map(nameOf).join(', ')}.`,
  )
}

/** The story as lines: time, service, what, name and cause, each entry indented below the one that caused it. */
export function storyLines({ orderId, status, reason, reference, entries }: Story): string[] {
  const end = reason === undefined ? status : `${status} (${reason})`
  const [first] = entries
  const day = first === undefined ? '' : `, ${first.at.slice(0, TIME_OF_DAY.from - 1)}`
  const depths = depthsOf(entries)
  return [
    `Order ${orderId}${reference === undefined ? '' : ` (${reference})`}: ${end}${day}`,
    ...entries.map((entry, at) => lineOf(entry, Math.min(depths[at] ?? 0, MAX_DEPTH))),
  ]
}

/**
 * A record lies below the record that caused it, or below the call from outside that did, which begins a new branch. A
 * saga's step lies below the event that ended it, the last one before it.
 */
function depthsOf(entries: readonly ToldEntry[]): number[] {
  const byPosition = new Map<string, number>()
  let ofEvent = 0
  return entries.map(({ what, position, cause = '' }) => {
    if (position === undefined) return what === 'saga' ? ofEvent + 1 : 0
    const depth = (byPosition.get(cause) ?? 0) + 1
    byPosition.set(position, depth)
    if (what === 'event') ofEvent = depth
    return depth
  })
}

const WHAT_WIDTH = 'command'.length
const SERVICE_WIDTH = 'notifications'.length

function lineOf({ at, what, service, name, cause, position, data }: ToldEntry, depth: number): string {
  const time = at.slice(TIME_OF_DAY.from, TIME_OF_DAY.to)
  const told = position === undefined && cause !== undefined ? ` (${cause})` : ''
  const indent = '  '.repeat(depth)
  const head = `${time}  ${service.padEnd(SERVICE_WIDTH)}  ${what.padEnd(WHAT_WIDTH)}`
  return `${head}  ${indent}${name}${reasonOf(data)}${told}`
}

// The one word of a message that a reader of the story asks for; the whole message is in --json.
function reasonOf(data: unknown): string {
  const { reason } = Object(data) as { readonly reason?: unknown }
  return typeof reason === 'string' && reason !== '' ? `: ${reason}` : ''
}
