// Owns one Kafka for tests, and ends it as soon as the process that asked for it is gone, even by kill -9.
// It is a process of its own: orders come as lines of JSON over standard input, whose end means "stop and tidy up".
import { mkdirSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { createCluster, type Cluster } from './cluster.ts'
import type { ClusterPlan } from './node-configuration.ts'
import { makeSecurity } from './security.ts'

/** What the first order says; `temporary` folders are removed at the end. */
export interface GuardPlan extends ClusterPlan {
  readonly temporary: boolean
}
export type NodeOrder = 'kill' | 'shutDown' | 'restart' | 'freeze' | 'thaw'
export type GuardOrder =
  | { readonly start: GuardPlan }
  | { readonly wipe: true }
  | { readonly order: NodeOrder; readonly node: number }
/** Each order gets one answer; that to `start` holds the nodes' ports. */
export type GuardAnswer = { readonly ports: readonly number[] } | { readonly failed: string }

let plan: GuardPlan | undefined
let cluster: Cluster | undefined

async function obey(order: GuardOrder): Promise<GuardAnswer> {
  if ('start' in order) {
    plan = order.start
    mkdirSync(plan.folder, { recursive: true })
    const checkpoint = plan.secure ? await makeSecurity(plan, plan.folder) : plan.checkpoint
    cluster = createCluster({ ...plan, checkpoint })
    const nodes = await cluster.start()
    return { ports: nodes.map(({ port }) => port) }
  }
  if (cluster === undefined) return { failed: 'it was never started' }
  await ('wipe' in order ? cluster.wipe() : cluster[order.order](order.node))
  return { ports: [] }
}

/** Nobody reads any more once the parent was killed, which must not keep us from tidying up. */
function answer(what: GuardAnswer): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

async function guard(): Promise<void> {
  process.stdout.on('error', () => {})
  // Ctrl-C is for the parent: our end comes with its end.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => process.stdin.destroy())
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      answer(await obey(JSON.parse(line) as GuardOrder))
    } catch (error) {
      answer({ failed: error instanceof Error ? error.message : String(error) })
    }
  }
  // A folder that is thrown away needs no orderly shutdown.
  await cluster?.end(plan?.temporary ? 'at once' : 'in order')
  if (plan?.temporary) rmSync(plan.folder, { recursive: true, force: true, maxRetries: 5 })
}

await guard()
