// The watchdog's thread: sees a handler that does not come back, says which, notes it in the store, ends the process.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { HandlerHung } from '../../kernel/fault.ts'
import type { Store } from '../ports.ts'
import type { LogFields } from '../telemetry/logger.ts'
import type { InHand } from './hand.ts'
import { lookAt } from './hand.ts'
import { HandlerTime } from './handler-time.ts'
import { lotOf, recordName } from './item.ts'
import type { StoredHand } from './stored-hand.ts'
import type { WatchdogOrder, WatchedCursor } from './watchdog.ts'
import { WATCHDOG_SIGNAL } from './watchdog.ts'

/** Longer than this the note is not waited for: without it the message is found out by further deaths. */
const NOTE_WITHIN_MS = 10_000

const order = workerData as WatchdogOrder
const end = new Int32Array(order.end)
const cursors = new Map(order.cursors.map((cursor) => [cursor.index, cursor]))
const time = new HandlerTime(order.limitMs)

interface Named extends InHand {
  readonly fields: LogFields
  /** Undefined for what does not repeat by itself. */
  readonly stored: StoredHand | undefined
}

async function watch(): Promise<void> {
  let clock = performance.now()
  let used = processorMs()
  // Asleep without an event loop: nothing else wakes this thread.
  while (Atomics.wait(end, 0, 0, order.lookEveryMs) === 'timed-out') {
    const [now, usedNow] = [performance.now(), processorMs()]
    const inHand = lookAt(order.memory)
    const isHung = time.look({ call: inHand.call, elapsedMs: now - clock, processorMs: usedNow - used })
    clock = now
    used = usedNow
    if (isHung) await endProcess(inHand)
  }
}

/** Of the whole process: the main thread's share can not be told apart, and a hung one takes all that it gets. */
function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

async function endProcess(inHand: InHand): Promise<void> {
  // Loaded only now: until then the thread is as small as can be.
  const { createLogger } = await import('../telemetry/logger.ts')
  const log = createLogger(order.log)
  const { fields, stored } = named(inHand)
  const code = HandlerHung.name
  log.error('A handler does not come back: the process ends.', {
    ...fields,
    code,
    limit: order.limitMs,
    durationMs: Math.round(time.spentMs),
  })
  if (stored !== undefined) {
    await note(stored).catch((error: unknown) => log.error('What was in hand could not be noted.', { code, error }))
  }
  if (lookAt(order.memory).call !== inHand.call) {
    log.warn('The handler came back after all: the process goes on.', fields)
    return
  }
  process.kill(process.pid, WATCHDOG_SIGNAL)
}

function named(inHand: InHand): Named {
  const { kind, place, name, partitions, at } = inHand
  const handler = order.handlers[inHand.handler - 1]
  if (kind === 'record' || kind === 'fresh') {
    const cursor = cursorAt(place)
    if (cursor === undefined) return { ...inHand, fields: {}, stored: undefined }
    const { group, service, topic, partition } = cursor
    const fields = { group, handler: handler?.name ?? 'fold', topic, partition, sequence: at, cause: kind }
    return { ...inHand, fields, stored: storedOf(service, cursor, { ...inHand, name: recordName(cursor) }) }
  }
  const fields = { group: handler?.service, handler: handler?.name, cause: kind }
  if (name === '') return { ...inHand, fields, stored: undefined }
  // Names begin with the group, and it with its service; what comes after them is the caller's.
  const [group = ''] = name.split(' ', 1)
  const [service = ''] = group.split('.', 1)
  const where = { partitions, partition: place }
  return {
    ...inHand,
    fields: { ...fields, group, partition: place, sequence: at },
    stored: storedOf(service, where, inHand),
  }
}

/** Those that came since the start lie at the port: the thread has no event loop that would take them in. */
function cursorAt(index: number): WatchedCursor | undefined {
  const port = parentPort
  for (let told = port && receiveMessageOnPort(port); told; told = port && receiveMessageOnPort(port)) {
    for (const cursor of (told as { readonly message: readonly WatchedCursor[] }).message)
      cursors.set(cursor.index, cursor)
  }
  return cursors.get(index)
}

function storedOf(
  service: string,
  place: { readonly partitions: number; readonly partition: number },
  { kind, name, at }: Pick<InHand, 'kind' | 'name' | 'at'>,
): StoredHand | undefined {
  const home = order.homes[service]
  if (home === undefined || kind === 'none' || kind === 'command') return undefined
  return { lot: lotOf(home.hosted, place), kind, name, at, code: HandlerHung.name, writtenAt: Date.now() }
}

async function note(hand: StoredHand): Promise<void> {
  const [hosted = ''] = hand.lot.split(' ', 1)
  const [service = ''] = hosted.split(',', 1)
  const address = order.homes[service]?.address
  if (address === undefined || (address.kind === 'sqlite' && address.path === ':memory:')) return
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`it took longer than ${NOTE_WITHIN_MS} ms`)), NOTE_WITHIN_MS)
  try {
    await Promise.race([write(hand, await opened(address)), late])
  } finally {
    clearTimeout(timer)
  }
}

async function opened(address: WatchdogOrder['homes'][string]['address']): Promise<Store> {
  if (address.kind === 'postgres') return (await import('../store/postgres.ts')).openPostgres({ url: address.url })
  return (await import('../store/sqlite.ts')).openSqlite({ path: address.path })
}

async function write(hand: StoredHand, store: Store): Promise<void> {
  const { writeHand } = await import('./stored-hand.ts')
  await writeHand(store, hand)
  await store.close()
}

await watch()
