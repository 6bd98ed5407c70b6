// Starts the watchdog: a thread of its own that ends the process when a handler does not come back.
import { Worker } from 'node:worker_threads'
import type { Cursor } from '../runtime/channels.ts'
import type { Lonja } from '../runtime/lonja.ts'
import type { StoreAddress } from '../settings/parsers.ts'
import type { LogFormat, LogLevel } from '../telemetry/logger.ts'

/** How the process ends: SIGABRT, as systemd's own watchdog does it; a shell or container calls that exit code 134. */
export const WATCHDOG_SIGNAL = 'SIGABRT'
/** It looks once a second, so that an idle process sleeps; more often where the limit is short. */
const LOOK_EVERY_MS = 1000
const LOOKS_A_LIMIT = 5

export interface WatchdogOptions {
  /** Processor time that a handler may take for one message. */
  readonly limitMs: number
  /** Where the services' states lie: what was in hand is written there for whoever takes over. */
  readonly addressOf: (service: string) => StoreAddress
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
}

/** Where a record that is in hand lies. */
export interface WatchedCursor {
  /** Its number. */
  readonly index: number
  readonly group: string
  readonly service: string
  readonly topic: string
  readonly partition: number
  readonly partitions: number
  readonly source: string
}

/** What the thread is given: the memory, and the lists that its numbers point into. */
export interface WatchdogOrder {
  readonly memory: SharedArrayBuffer
  /** One number: 0 while it shall watch. */
  readonly end: SharedArrayBuffer
  readonly limitMs: number
  readonly lookEveryMs: number
  readonly cursors: readonly WatchedCursor[]
  readonly handlers: readonly { readonly service: string; readonly name: string }[]
  /** By service. */
  readonly homes: Readonly<Record<string, { readonly address: StoreAddress; readonly hosted: readonly string[] }>>
  readonly log: { readonly level: LogLevel; readonly format: LogFormat }
}

export interface Watchdog {
  /** Resolves when the thread is gone. */
  stop(): Promise<void>
}

/** Watches all runtimes of the process. Start it before they start. */
export function startWatchdog(
  { hand, runtimes }: Pick<Lonja, 'hand' | 'runtimes'>,
  options: WatchdogOptions,
): Watchdog {
  const { limitMs, addressOf, logLevel: level, logFormat } = options
  const cursors = runtimes.flatMap(({ channels }) => channels.all.flatMap((channel) => channel.cursors))
  hand.watch(cursors)
  const end = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
  const homes = runtimes.flatMap(({ options: { hosted } }) =>
    hosted.map((service) => [service, { address: addressOf(service), hosted }] as const),
  )
  const order: WatchdogOrder = {
    memory: hand.memory,
    end,
    limitMs,
    lookEveryMs: Math.min(LOOK_EVERY_MS, limitMs / LOOKS_A_LIMIT),
    cursors: cursors.map(watchedOf),
    handlers: hand.handlers.map(({ service, name }) => ({ service, name })),
    homes: Object.fromEntries(homes),
    // The thread can not ask whether standard error is a terminal.
    log: { level, format: logFormat === 'auto' && process.stderr.isTTY ? 'pretty' : logFormat },
  }
  // What the process was told to load before all else is not for this thread.
  const worker = new Worker(new URL('watchdog-worker.ts', import.meta.url), { workerData: order, execArgv: [] })
  // A topic that is scaled has cursors of which the thread has not heard.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
  hand.watched = (known) => worker.postMessage(known.map(watchedOf))
  // It keeps nobody alive.
  worker.unref()
  const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  return {
    stop: () => {
      const flag = new Int32Array(end)
      Atomics.store(flag, 0, 1)
      Atomics.notify(flag, 0)
      worker.ref()
      return gone
    },
  }
}

function watchedOf({ index, group: { name, service }, channel }: Cursor): WatchedCursor {
  const { topic, partition, partitions, source } = channel
  return { index, group: name, service, topic, partition, partitions, source }
}
