// Starts the real Apache Kafka for tests: no installation, no container, no root, and nothing left behind.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after } from 'node:test'
import type { GuardPlan, NodeOrder } from './guard.ts'
import { findInstallation, startKafkaGuard } from './installation.ts'
import { isUnavailable } from './jars.ts'
import { host, type PeerWay, type Profile } from './node-configuration.ts'
import { readLog } from './node-process.ts'
import { readAccess, type Access } from './security.ts'
import { runTool, type Tool, type ToolOptions } from './tools.ts'

export interface KafkaOptions {
  /** 1, or 3: three nodes keep three copies of everything, of which two must be written. */
  readonly nodes?: 1 | 3
  /** Where the nodes keep their data. A folder that is named is kept, and found again by the next start. */
  readonly folder?: string
  /** SASL_SSL with SCRAM-SHA-512 and ACLs: see `access`. */
  readonly secure?: boolean
  /** `bench` for measurements: its JIT compiler goes all the way. */
  readonly profile?: Profile
  /** For each node: the brokers reach each other through another port than clients. Not for a secured Kafka. */
  readonly peers?: readonly PeerWay[]
  /** Any other setting of server.properties, for example `{ 'message.max.bytes': '2000000' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Nodes are numbered 1, 2, 3; where there is but one it need not be named. */
export interface Kafka {
  /** `127.0.0.1:PORT` of each node. The same through every restart. */
  readonly brokers: readonly string[]
  /** The authority and the passwords of a secured Kafka; undefined for any other. */
  readonly access: Access | undefined
  /** Runs one of Kafka's own commands: `tool(['topics', '--list'])`. Returns what it printed. */
  readonly tool: (command: readonly [Tool, ...string[]], options?: ToolOptions) => Promise<string>
  /** Holds each node's configuration, log and data. */
  readonly folder: string
  /** What the node printed since its last start. */
  readonly log: (node?: number) => string
  /** Ends the node as kill -9 does. */
  readonly kill: (node?: number) => Promise<void>
  /** Stops the node in order, and it hands over to the others before. */
  readonly shutDown: (node?: number) => Promise<void>
  /** Stops the node in order, if it runs, starts it again on its port and waits until it is ready. */
  readonly restart: (node?: number) => Promise<void>
  /** SIGSTOP: the node's connections stay open, and nobody answers. */
  readonly freeze: (node?: number) => Promise<void>
  /** SIGCONT. */
  readonly thaw: (node?: number) => Promise<void>
  /** The Kafka that lost everything: all nodes start empty, on their ports, as a cluster with another id. */
  readonly wipe: () => Promise<void>
  /** Ends all nodes and removes the folder, unless it was named. Calling it twice does no harm. */
  readonly stop: () => Promise<void>
}

/**
 * Starts a Kafka of its own on free ports of 127.0.0.1, in about four seconds. It ends with `stop`, or with this
 * process, however that ends.
 *
 * @throws a sentence that says what to do where the machine, the folder or a setting does not allow it.
 */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const installation = await findInstallation()
  const count = options.nodes ?? 1
  const plan: GuardPlan = {
    ...installation,
    folder: options.folder === undefined ? mkdtempSync(join(tmpdir(), 'lonja-kafka-')) : resolve(options.folder),
    temporary: options.folder === undefined,
    nodes: Array.from({ length: count }, (_, index) => ({ id: index + 1, port: 0, controllerPort: 0 })),
    profile: options.profile ?? 'test',
    secure: options.secure ?? false,
    settings: options.settings ?? {},
    ...(options.peers && { peers: options.peers }),
  }
  const guard = startKafkaGuard()
  const { ports } = await guard.ask({ start: plan }).catch(async (error: unknown) => {
    await guard.end()
    throw error
  })
  const brokers = ports.map((port) => `${host}:${port}`)
  const target = { installation, brokers, folder: plan.folder, secure: plan.secure }
  const order = async (what: NodeOrder, node = 1) => void (await guard.ask({ order: what, node }))
  return {
    brokers,
    access: plan.secure ? readAccess(plan.folder) : undefined,
    tool: (command, how) => runTool(target, command, how),
    folder: plan.folder,
    log: (node = 1) => readLog(plan.folder, node),
    kill: (node) => order('kill', node),
    shutDown: (node) => order('shutDown', node),
    restart: (node) => order('restart', node),
    freeze: (node) => order('freeze', node),
    thaw: (node) => order('thaw', node),
    wipe: async () => void (await guard.ask({ wipe: true })),
    stop: () => guard.end(),
  }
}

/**
 * True where Kafka can be started. Elsewhere (no Java 17, no Maven and no jars) it throws if CI=true, and otherwise
 * says loudly what is not tested and what to install: `if (!(await kafkaIsHere())) return` opens a test of Kafka.
 */
export async function kafkaIsHere(): Promise<boolean> {
  try {
    await findInstallation()
    return true
  } catch (error) {
    if (!isUnavailable(error) || process.env['CI'] === 'true') throw error
    process.stderr.write(`\n!!! NOT TESTED, as Apache Kafka cannot be had on this machine !!!\n${error.message}\n\n`)
    return false
  }
}

let shared: Promise<Kafka> | undefined

/** The one node that all tests of this process share: name your topics for your test. It starts at the first call. */
export function sharedKafka(): Promise<Kafka> {
  shared ??= startKafka()
  return shared
}

async function stopShared(): Promise<void> {
  const kafka = await shared?.catch(() => undefined)
  await kafka?.stop()
}

// Registered at import, so that it belongs to the whole run and not to the test that happens to come first.
if (process.execArgv.includes('--test') || process.env['NODE_TEST_CONTEXT'] !== undefined) after(stopShared)
