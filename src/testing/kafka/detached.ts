// Keeps a Kafka running after this process has ended, for development: starts it, finds it again, stops and wipes it.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { clusterIdOf } from './cluster.ts'
import { findInstallation } from './installation.ts'
import { host, type ClusterPlan, type NodePlan } from './node-configuration.ts'
import { launchNode, nodeFiles, prepareNode, waitUntilReady } from './node-process.ts'
import { isFree } from './ports.ts'
import { makeSecurity } from './security.ts'

export interface Wishes {
  readonly folder: string
  readonly nodes?: 1 | 3 | undefined
  readonly secure?: boolean | undefined
  /** Of the first node; the others follow in steps of ten, and each node's controller is one above. */
  readonly port?: number | undefined
}

/** What the folder holds; the nodes' number and security belong to the data, and never change. */
interface Standing {
  readonly nodes: readonly NodePlan[]
  readonly secure: boolean
}

export interface NodeStatus extends NodePlan {
  /** Undefined if it does not run. */
  readonly pid: number | undefined
}
export interface Status {
  readonly nodes: readonly NodeStatus[]
  readonly secure: boolean
  readonly dataBytes: number
}

type Say = (line: string) => void

const defaultPort = 9092
const portStep = 10
const stopLimitMs = 30_000
const lookAgainMs = 50

const standingFile = (folder: string): string => join(folder, 'kafka.json')

function readStanding(folder: string): Standing | undefined {
  const file = standingFile(folder)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Standing) : undefined
}

/** How the process was started; empty if there is none. */
function commandOf(pid: number): string {
  const file = `/proc/${pid}/cmdline`
  if (existsSync('/proc/self/cmdline')) return existsSync(file) ? readFileSync(file, 'utf8') : ''
  try {
    return execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
  } catch {
    return ''
  }
}

/** The process that the pid file names, if it is still this node: after a reboot the number may be anybody's. */
function findPid(folder: string, id: number): number | undefined {
  const { pid: file, properties } = nodeFiles(folder, id)
  if (!existsSync(file)) return undefined
  const pid = Number(readFileSync(file, 'utf8'))
  return pid > 0 && commandOf(pid).includes(properties) ? pid : undefined
}

function bytesBelow(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  // A running node deletes files while we look.
  const sizes = entries.map((entry) => statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size)
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
}

/** Undefined for a folder that holds no Kafka. */
export function readStatus(folder: string): Status | undefined {
  const standing = readStanding(folder)
  if (standing === undefined) return undefined
  const nodes = standing.nodes.map((node) => ({ ...node, pid: findPid(folder, node.id) }))
  return { nodes, secure: standing.secure, dataBytes: bytesBelow(folder) }
}

export const addressesOf = ({ nodes }: Standing): string => nodes.map(({ port }) => `${host}:${port}`).join(',')

const describe = ({ nodes, secure }: Standing): string =>
  `${nodes.length === 1 ? 'one node' : `${nodes.length} nodes`}, ${secure ? 'secured' : 'not secured'}`

/** What is to run, by what is wished and what the folder holds already. */
function choose({ folder, nodes, secure, port }: Wishes, found: Status | undefined): Standing {
  const running = found?.nodes.some(({ pid }) => pid !== undefined)
  const count = nodes ?? found?.nodes.length ?? 1
  const first = port ?? found?.nodes[0]?.port ?? defaultPort
  const chosen: Standing = {
    secure: secure ?? found?.secure ?? false,
    nodes: Array.from({ length: count }, (_, index) => {
      return { id: index + 1, port: first + portStep * index, controllerPort: first + portStep * index + 1 }
    }),
  }
  if (found !== undefined && describe(found) !== describe(chosen)) {
    const advice = 'start it as it is, wipe it first, or choose another --folder.'
    throw new Error(`${folder} holds a Kafka of ${describe(found)}, and ${describe(chosen)} was asked for: ${advice}`)
  }
  if (running && found !== undefined && first !== found.nodes[0]?.port) {
    throw new Error(`The Kafka in ${folder} runs already, on ${addressesOf(found)}: stop it to change its port.`)
  }
  return chosen
}

async function requireFree(nodes: readonly NodePlan[]): Promise<void> {
  for (const port of nodes.flatMap((node) => [node.port, node.controllerPort])) {
    if (await isFree(port)) continue
    throw new Error(`Port ${port} of ${host} is taken: stop what listens there, or choose another by --port.`)
  }
}

/** Starts these nodes at the same time, as a quorum needs two of three. If one fails none is left running. */
async function launchAll(plan: ClusterPlan, nodes: readonly NodePlan[], say: Say): Promise<void> {
  const failures = await Promise.all(
    nodes.map(async (node) => {
      const started = launchNode(plan, node, true)
      const failure = await waitUntilReady(plan.folder, node.id, started)
      if (failure === undefined) say(`Node ${node.id} is ready on ${host}:${node.port} (process ${started.child.pid}).`)
      started.child.unref()
      return failure
    }),
  )
  const failure = failures.find((each) => each !== undefined)
  if (failure === undefined) return
  for (const { id } of nodes) await endNode(plan.folder, id, 'SIGKILL')
  throw new Error(failure)
}

/**
 * Starts what does not run yet, and returns when all of it is ready.
 *
 * @throws a sentence that says what to do where a port is taken, the data are of another kind, or a node fails.
 */
export async function startDetached(wishes: Wishes, say: Say): Promise<Status> {
  const { folder } = wishes
  const installation = await findInstallation(say)
  const found = readStatus(folder)
  const standing = choose(wishes, found)
  const missing = standing.nodes.filter(({ id }) => findPid(folder, id) === undefined)
  if (missing.length === 0) say(`Kafka is running already on ${addressesOf(standing)}.`)
  await requireFree(missing)
  mkdirSync(folder, { recursive: true })
  const checkpoint = standing.secure ? await makeSecurity(installation, folder) : installation.checkpoint
  writeFileSync(standingFile(folder), `${JSON.stringify(standing, undefined, 2)}\n`)
  const plan: ClusterPlan = { ...installation, ...standing, checkpoint, folder, profile: 'test', settings: {} }
  const clusterId = clusterIdOf(plan)
  for (const node of missing) prepareNode(plan, node, clusterId)
  if (missing.length > 0) say(`Starting Kafka (${describe(standing)}) in ${folder}.`)
  await launchAll(plan, missing, say)
  return readStatus(folder) ?? { ...standing, nodes: [], dataBytes: 0 }
}

/** True if the node had to be killed, as it did not end in time. */
async function endNode(folder: string, id: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<boolean> {
  const pid = findPid(folder, id)
  if (pid === undefined) return false
  // A frozen process would never hear of the end.
  process.kill(pid, 'SIGCONT')
  process.kill(pid, signal)
  const deadline = performance.now() + stopLimitMs
  let killed = signal === 'SIGKILL'
  while (findPid(folder, id) === pid) {
    if (!killed && performance.now() > deadline) {
      process.kill(pid, 'SIGKILL')
      killed = true
    }
    await pause(lookAgainMs)
  }
  rmSync(nodeFiles(folder, id).pid, { force: true })
  return killed
}

/** Stops every node in order, or kills it if that takes over 30 s. Returns the number of nodes that ran. */
export async function stopDetached(folder: string, say: Say): Promise<number> {
  const running = readStatus(folder)?.nodes.filter(({ pid }) => pid !== undefined) ?? []
  const end = async ({ id }: NodePlan) => {
    const killed = await endNode(folder, id, 'SIGTERM')
    say(killed ? `Node ${id} did not stop within ${stopLimitMs / 1000} s and was killed.` : `Node ${id} has stopped.`)
  }
  await Promise.all(running.map(end))
  return running.length
}

/** Removes all that start made, passwords too, and refuses while a node runs. False if there was nothing. */
export function wipeDetached(folder: string): boolean {
  const status = readStatus(folder)
  if (status === undefined) return false
  const running = status.nodes.filter(({ pid }) => pid !== undefined)
  if (running.length > 0) {
    throw new Error(`The Kafka in ${folder} runs (node ${running.map(({ id }) => id).join(', ')}): stop it first.`)
  }
  for (const { id } of status.nodes) rmSync(nodeFiles(folder, id).own, { recursive: true, force: true })
  rmSync(join(folder, 'security'), { recursive: true, force: true })
  rmSync(standingFile(folder))
  return true
}
