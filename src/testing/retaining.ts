// Retention of a shop under test: looks when the test says so, and tells what it deleted.
import type { Store } from '../platform/ports.ts'
import type { RetentionOptions } from '../platform/retention/retention.ts'
import { Retention } from '../platform/retention/retention.ts'
import { createLogger } from '../platform/telemetry/logger.ts'
import { createMetrics } from '../platform/telemetry/metrics.ts'
import type { Shop } from './shop.ts'

export const DAY_MS = 86_400_000

/** As long as retention leaves the store alone between two chunks. */
const STEP_MS = 50

export interface Retained {
  readonly retention: Retention
  /** One look, while time goes on. */
  readonly look: () => Promise<void>
  /** Where the logs of a topic begin and end, summed up over sources and partitions. */
  readonly boundsOf: (topic: string) => Promise<{ readonly first: number; readonly next: number }>
  readonly metrics: () => Promise<string>
  readonly lines: readonly string[]
}

export function retained(shop: Shop, changes: Partial<RetentionOptions> = {}): Retained {
  const { lonja, clock } = shop
  const metrics = createMetrics()
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const retention = new Retention({
    registry: lonja.registry,
    databases: lonja.runtimes.map(({ options: { store, membership, hosted } }) => {
      return { store, membership, services: hosted }
    }),
    storeOf: (service) => lonja.storeOf(service),
    clock,
    backupWindowMs: 7 * DAY_MS,
    isOurs: () => true,
    telemetry: { metrics, log: createLogger({ level: 'info', format: 'json', destination }) },
    ...changes,
  })
  metrics.lookAt({ oldestRecordSeconds: () => retention.oldestSeconds() })
  return {
    retention,
    look: () => meanwhile(shop, retention.run()),
    boundsOf: (topic) => boundsOf(shop, topic),
    metrics: () => metrics.text(),
    lines,
  }
}

/** Moves the time on until the work is over: a database takes real time for its part of it. */
async function meanwhile({ advance }: Shop, work: Promise<void>): Promise<void> {
  const state = { isOver: false }
  const over = (): void => void (state.isOver = true)
  work.then(over, over)
  while (!state.isOver) await advance(STEP_MS)
  await work
}

async function boundsOf({ lonja }: Shop, topic: string) {
  const heads = await Promise.all(
    lonja.registry.sourcesOf(topic).map((source) => {
      const store: Store = lonja.storeOf(source)
      return store.heads(source)
    }),
  )
  const own = heads.flat().filter((head) => head.topic === topic)
  const sum = (valueOf: (head: (typeof own)[number]) => number) => own.reduce((all, head) => all + valueOf(head), 0)
  return { first: sum(({ first }) => first), next: sum(({ next }) => next) }
}
