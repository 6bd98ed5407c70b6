// Runs Kafka's own command-line classes, so that tests have a second opinion that is not our client's.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { toolOptions, type Installation } from './node-configuration.ts'
import { writeClientFile, type User } from './security.ts'

/** The classes by the names of the scripts that Kafka's archive has for them. */
export const tools = {
  acls: 'org.apache.kafka.tools.AclCommand',
  configs: 'kafka.admin.ConfigCommand',
  'console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'console-producer': 'org.apache.kafka.tools.ConsoleProducer',
  'consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
  'metadata-quorum': 'org.apache.kafka.tools.MetadataQuorumCommand',
  topics: 'org.apache.kafka.tools.TopicCommand',
  transactions: 'org.apache.kafka.tools.TransactionsCommand',
} as const

export type Tool = keyof typeof tools

export interface ToolOptions {
  /** What the tool reads from its standard input. */
  readonly input?: string
  /** Who calls, where Kafka is secured; `admin` if left out. */
  readonly user?: User
}

export interface ToolTarget {
  readonly installation: Installation
  readonly brokers: readonly string[]
  readonly folder: string
  readonly secure: boolean
}

/** What precedes the caller's own arguments: Java, the class, the servers and the login. */
export function toolArguments(target: ToolTarget, tool: Tool, user: User): readonly string[] {
  const { installation, brokers, folder, secure } = target
  const java = [...toolOptions, `-XX:SharedArchiveFile=${installation.archive}`]
  const path = join(installation.libraries, '*')
  const login = secure ? ['--command-config', writeClientFile(folder, user)] : []
  return [...java, '-cp', path, tools[tool], '--bootstrap-server', brokers.join(','), ...login]
}

/**
 * Runs one in a Java of its own, in one to three seconds, and returns what it printed.
 *
 * @throws when it ends with another code than 0, with what it printed.
 */
export async function runTool(
  target: ToolTarget,
  [tool, ...args]: readonly [Tool, ...string[]],
  { input = '', user = 'admin' }: ToolOptions = {},
): Promise<string> {
  const child = spawn(target.installation.java, [...toolArguments(target, tool, user), ...args], { stdio: 'pipe' })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const exited = once(child, 'exit') as Promise<[number | null]>
  const [printed, complained, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited])
  if (code === 0) return printed
  throw new Error(`Kafka's ${tool} ${args.join(' ')} ended with code ${code}: ${printed}${complained}`)
}
