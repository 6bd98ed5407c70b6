// Formats the data folders of Kafka nodes: who they are, and the features that a new cluster begins with.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { toolOptions, toProperties } from './node-configuration.ts'

const run = promisify(execFile)
const identityFile = 'meta.properties'
const checkpointFile = 'bootstrap.checkpoint'

/** An id as Kafka writes it: 16 bytes in base64url, of which none begins like an option of a command. */
export function newId(): string {
  const id = randomBytes(16).toString('base64url')
  return id.startsWith('-') ? newId() : id
}

/** The id of the cluster that the folder was formatted for; undefined for a folder without one. */
export function readClusterId(data: string): string | undefined {
  const file = join(data, identityFile)
  return existsSync(file) ? /^cluster\.id=(.+)$/m.exec(readFileSync(file, 'utf8'))?.[1]?.trim() : undefined
}

/** Makes a new node's data of a checkpoint: what Kafka's own tool does, without 1.5 s of Java for each node. */
export function formatNode(data: string, node: number, from: { checkpoint: string; clusterId: string }): void {
  mkdirSync(data, { recursive: true })
  copyFileSync(from.checkpoint, join(data, checkpointFile))
  // Last, as it is what tells that the folder is formatted.
  const identity = { version: '1', 'cluster.id': from.clusterId, 'node.id': String(node), 'directory.id': newId() }
  writeFileSync(join(data, identityFile), toProperties(identity))
}

/**
 * Has Kafka's own tool make the checkpoint, as `bootstrap.checkpoint` in `folder`. Each user is an argument of
 * `--add-scram`; they reach the tool by a file, as any user of the machine may read a process's arguments.
 */
export async function makeCheckpoint(
  tool: { readonly java: string; readonly libraries: string },
  folder: string,
  users: readonly string[] = [],
): Promise<string> {
  const [scratch, properties, orders] = ['format', 'format.properties', 'format.arguments'].map((name) =>
    join(folder, name),
  ) as [string, string, string]
  const roles = 'process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:1\n'
  const listeners = 'listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\ncontroller.listener.names=CONTROLLER\n'
  writeFileSync(properties, `${roles}${listeners}log.dirs=${scratch}\n`)
  const format = ['format', '-t', newId(), '-c', properties, ...users.flatMap((user) => ['--add-scram', user])]
  const all = [...toolOptions, '-cp', join(tool.libraries, '*'), 'kafka.tools.StorageTool', ...format]
  writeFileSync(orders, all.map((each) => `"${each.replaceAll('\\', '\\\\')}"\n`).join(''), { mode: 0o600 })
  try {
    await run(tool.java, [`@${orders}`])
    const made = join(folder, checkpointFile)
    copyFileSync(join(scratch, checkpointFile), made)
    return made
  } catch (error) {
    const { stderr } = error as { readonly stderr?: string }
    throw new Error(`Kafka's data could not be formatted: ${stderr || 'java did not run'}`, { cause: error })
  } finally {
    for (const path of [scratch, properties, orders]) rmSync(path, { recursive: true, force: true })
  }
}
