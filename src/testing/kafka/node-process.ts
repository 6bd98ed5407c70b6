// Formats and starts one Kafka node as a process of its own, and waits until it is ready.
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import {
  javaOptions,
  logConfiguration,
  nodeSettings,
  toProperties,
  type ClusterPlan,
  type NodePlan,
} from './node-configuration.ts'
import { formatNode, readClusterId } from './node-data.ts'
import { nodeSecurity } from './security.ts'

export interface NodeProcess {
  readonly child: ChildProcess
  /** How it ended: `code 143` after a clean stop, `signal SIGKILL`, or why it could not be started. */
  readonly exited: Promise<string>
}

const readyText = 'Kafka Server started'
/** Empty nodes need 2.5 s on a calm machine, 18 s when three of them share two busy cores. */
const readyLimitMs = 60_000
const lookAgainMs = 50
const logLinesTold = 15

/** Where a node keeps what. */
export function nodeFiles(folder: string, id: number) {
  const own = join(folder, `node-${id}`)
  return {
    own,
    data: join(own, 'data'),
    properties: join(own, 'server.properties'),
    logging: join(own, 'log4j2.yaml'),
    log: join(own, 'kafka.log'),
    pid: join(own, 'pid'),
  }
}

/** What the node printed since its last start; empty if it never started. */
export function readLog(folder: string, id: number): string {
  const { log } = nodeFiles(folder, id)
  return existsSync(log) ? readFileSync(log, 'utf8') : ''
}

/** Writes the configuration, and formats the data unless that was done before. */
export function prepareNode(plan: ClusterPlan, node: NodePlan, clusterId: string): void {
  const files = nodeFiles(plan.folder, node.id)
  if (files.own.includes(','))
    throw new Error(`Kafka splits paths at commas: choose another folder than ${plan.folder}.`)
  mkdirSync(files.own, { recursive: true })
  const security = plan.secure ? nodeSecurity(plan.folder) : {}
  const settings = nodeSettings(plan, node, { data: files.data, security })
  // It may hold passwords.
  writeFileSync(files.properties, toProperties(settings), { mode: 0o600 })
  writeFileSync(files.logging, logConfiguration)
  const { checkpoint } = plan
  if (readClusterId(files.data) === undefined) formatNode(files.data, node.id, { checkpoint, clusterId })
}

/** Starts a prepared node. Detached, it outlives this process and no signal of our terminal reaches it. */
export function launchNode(plan: ClusterPlan, node: NodePlan, detached: boolean): NodeProcess {
  const files = nodeFiles(plan.folder, node.id)
  // An old log holds the line that means "ready".
  if (existsSync(files.log)) renameSync(files.log, `${files.log}.old`)
  const log = openSync(files.log, 'w')
  const archive = plan.javaOptions ?? [`-XX:SharedArchiveFile=${plan.archive}`]
  const options = [...javaOptions[plan.profile], ...archive, `-Dlog4j2.configurationFile=${files.logging}`]
  const child = spawn(plan.java, [...options, '-cp', join(plan.libraries, '*'), 'kafka.Kafka', files.properties], {
    cwd: files.own,
    stdio: ['ignore', log, log],
    detached,
    windowsHide: true,
  })
  closeSync(log)
  writeFileSync(files.pid, `${child.pid}\n`)
  const exited = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('exit', (code, signal) => resolve(signal ? `signal ${signal}` : `code ${code}`))
  })
  return { child, exited }
}

/** Undefined once the node takes requests; otherwise a sentence that says why it never will. */
export async function waitUntilReady(folder: string, id: number, { exited }: NodeProcess): Promise<string | undefined> {
  const deadline = performance.now() + readyLimitMs
  const end: { how?: string } = {}
  void exited.then((how) => (end.how = how))
  const tell = (what: string): string => {
    const lines = readLog(folder, id).trimEnd().split('\n').slice(-logLinesTold)
    return `Kafka node ${id} ${what}; the end of ${nodeFiles(folder, id).log}:\n${lines.join('\n')}`
  }
  while (!readLog(folder, id).includes(readyText)) {
    if (end.how !== undefined) return tell(`ended with ${end.how} before it was ready`)
    if (performance.now() > deadline) return tell(`was not ready after ${readyLimitMs / 1000} seconds`)
    await pause(lookAgainMs)
  }
  return undefined
}
