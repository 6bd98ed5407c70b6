// Runs the nodes of one Kafka as children of this process: starts, kills, freezes, restarts and ends them.
import { rmSync } from 'node:fs'
import type { ClusterPlan, NodePlan } from './node-configuration.ts'
import { newId, readClusterId } from './node-data.ts'
import { launchNode, nodeFiles, prepareNode, waitUntilReady, type NodeProcess } from './node-process.ts'
import { findFreePorts } from './ports.ts'

export interface Cluster {
  /** Formats what is new, takes free ports and waits until all nodes are ready. Returns the nodes with their ports. */
  readonly start: () => Promise<readonly NodePlan[]>
  readonly kill: (id: number) => Promise<void>
  /** Stops the node in order. */
  readonly shutDown: (id: number) => Promise<void>
  /** Stops the node in order, if it runs, and starts it again on its port. */
  readonly restart: (id: number) => Promise<void>
  /** SIGSTOP: its connections stay open, and nobody answers. */
  readonly freeze: (id: number) => void
  /** SIGCONT. */
  readonly thaw: (id: number) => void
  /** All data gone: every node is killed and starts empty, on its port, as a cluster with another id. */
  readonly wipe: () => Promise<void>
  readonly end: (how: 'in order' | 'at once') => Promise<void>
}

const portsAttemptsLimit = 10
/** A clean stop takes 0.4 to 2 s; the last nodes of three cannot hand over to anybody and may wait for longer. */
const stopLimitMs = 30_000

/** The id that an earlier start of the same folder gave, or a new one. */
export function clusterIdOf({ folder, nodes }: ClusterPlan): string {
  const found = nodes.map(({ id }) => readClusterId(nodeFiles(folder, id).data))
  return found.find((each) => each !== undefined) ?? newId()
}

async function stopProcess({ child, exited }: NodeProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  // A frozen process would never hear of the end.
  if (signal === 'SIGTERM') child.kill('SIGCONT')
  child.kill(signal)
  const limit = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
  await exited
  clearTimeout(limit)
}

/** The plan's ports are proposals: each start chooses its own, as others may have taken them meanwhile. */
export function createCluster(given: ClusterPlan): Cluster {
  let plan = given
  const running = new Map<number, NodeProcess>()

  async function startNode(node: NodePlan): Promise<string | undefined> {
    const started = launchNode(plan, node, false)
    running.set(node.id, started)
    return waitUntilReady(plan.folder, node.id, started)
  }
  async function stopNode(id: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const found = running.get(id)
    running.delete(id)
    if (found !== undefined) await stopProcess(found, signal)
  }
  const stopAll = async (signal: 'SIGTERM' | 'SIGKILL') => {
    await Promise.all([...running.keys()].map((id) => stopNode(id, signal)))
  }

  /** Says why if a node did not start, and then leaves none running. */
  async function startAll(): Promise<string | undefined> {
    const clusterId = clusterIdOf(plan)
    for (const node of plan.nodes) prepareNode(plan, node, clusterId)
    const failures = await Promise.all(plan.nodes.map(startNode))
    const failure = failures.find((each) => each !== undefined)
    if (failure !== undefined) await stopAll('SIGKILL')
    return failure
  }

  async function proposePorts(): Promise<void> {
    const ports = await findFreePorts(2 * plan.nodes.length)
    const nodes = plan.nodes.map(({ id }, index) => {
      return { id, port: ports[2 * index] ?? 0, controllerPort: ports[2 * index + 1] ?? 0 }
    })
    plan = { ...plan, nodes }
  }
  async function start(): Promise<readonly NodePlan[]> {
    for (let attempt = 1; ; attempt += 1) {
      await proposePorts()
      const failure = await startAll()
      if (failure === undefined) return plan.nodes
      const taken = /Address already in use|BindException/.test(failure)
      if (!taken || attempt === portsAttemptsLimit) throw new Error(failure)
    }
  }

  function nodeOf(id: number): NodePlan {
    const found = plan.nodes.find((node) => node.id === id)
    if (found === undefined) throw new Error(`There is no Kafka node ${id}: there are ${plan.nodes.length}, from 1 on.`)
    return found
  }
  function signal(id: number, what: NodeJS.Signals): void {
    const found = running.get(nodeOf(id).id)
    if (found === undefined) throw new Error(`Kafka node ${id} does not run: restart it first.`)
    found.child.kill(what)
  }

  return {
    start,
    kill: (id) => stopNode(nodeOf(id).id, 'SIGKILL'),
    shutDown: (id) => stopNode(nodeOf(id).id, 'SIGTERM'),
    restart: async (id) => {
      await stopNode(id, 'SIGTERM')
      const failure = await startNode(nodeOf(id))
      if (failure !== undefined) throw new Error(failure)
    },
    freeze: (id) => signal(id, 'SIGSTOP'),
    thaw: (id) => signal(id, 'SIGCONT'),
    wipe: async () => {
      await stopAll('SIGKILL')
      for (const { id } of plan.nodes) rmSync(nodeFiles(plan.folder, id).data, { recursive: true, force: true })
      const failure = await startAll()
      if (failure !== undefined) throw new Error(failure)
    },
    end: (how) => stopAll(how === 'in order' ? 'SIGTERM' : 'SIGKILL'),
  }
}
