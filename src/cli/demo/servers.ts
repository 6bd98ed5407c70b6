// The Kafka and the PostgreSQL of `lonja demo --kafka`, in a process that ends with the demo, however that ends.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Service } from '../../kernel/service.ts'
import { topicsOnKafka } from '../../platform/kafka/open-kafka.ts'
import { TopicAdmin } from '../../platform/kafka/topics.ts'
import { CommandError } from '../command.ts'

const SCRIPT = join(import.meta.dirname, '..', '..', '..', 'scripts', 'demo-servers.ts')

export interface DemoServers {
  /** The address of an empty PostgreSQL database. */
  readonly store: string
  /** Brokers that have every topic. */
  readonly brokers: readonly string[]
  stop(): Promise<void>
}

/** @throws {CommandError} with what to install, where there is no Java or Maven. */
export async function startDemoServers(services: readonly Service[]): Promise<DemoServers> {
  const child = spawn(process.execPath, [SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.stdin.end()
    await ended
  }
  const { value: line } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
  const told = JSON.parse(line ?? '{"failed":"it ended"}') as DemoServers & { readonly failed?: string }
  if (told.failed !== undefined) throw new CommandError(`Kafka and PostgreSQL for the demo: ${told.failed}`)
  const { store, brokers } = told
  try {
    const admin = new TopicAdmin({ brokers, clientId: 'demo' })
    await admin.create(topicsOnKafka(services), 1)
    await admin.close()
  } catch (error) {
    await stop()
    throw error
  }
  return { store, brokers, stop }
}
