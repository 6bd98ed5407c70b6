// Where benches keep their databases: files in a temporary folder, and a PostgreSQL that commits to the disk.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '../../src/platform/ports.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { openSqlite } from '../../src/platform/store/sqlite.ts'
import { topicsOnKafka } from '../../src/platform/kafka/open-kafka.ts'
import { TopicAdmin } from '../../src/platform/kafka/topics.ts'
import { services } from '../../src/services.ts'
import { startKafka, type Kafka } from '../../src/testing/kafka/kafka.ts'
import { startPostgres, type Postgres } from '../../src/testing/postgres.ts'
import type { Dialect } from './options.ts'

/** One database, and what the bench has put into it. */
export interface Place {
  readonly dialect: Dialect
  readonly name: string
  /** The setting `store`. */
  readonly url: string
  /** Brokers that its logs are shipped to. */
  readonly brokers?: readonly string[]
  /** Orders that were placed here and must all be confirmed. */
  orders: number
}

export class Places {
  readonly folder = mkdtempSync(join(tmpdir(), 'lonja-bench-'))
  readonly #leave = (): void => rmSync(this.folder, { recursive: true, force: true })
  #postgres: Promise<Postgres> | undefined
  readonly #kafkas = new Map<string, Kafka>()

  constructor() {
    process.on('exit', this.#leave)
  }

  /** An empty database. */
  async make(dialect: Dialect, name: string): Promise<Place> {
    const url = dialect === 'sqlite' ? `sqlite:${this.#file(name)}` : await (await this.#server()).createDatabase(name)
    return { dialect, name, url, orders: 0 }
  }

  /** An empty PostgreSQL database whose logs go to a Kafka of its own. */
  async makeOnKafka(name: string): Promise<Place> {
    const kafka = await startKafka({ profile: 'bench' })
    this.#kafkas.set(name, kafka)
    const admin = new TopicAdmin({ brokers: kafka.brokers, clientId: 'bench' })
    await admin.create(topicsOnKafka(services), 1)
    await admin.close()
    return { ...(await this.make('postgres', name)), brokers: kafka.brokers }
  }

  /** A copy of a database that nobody has open. */
  async copy({ dialect, name, orders }: Place, to: string): Promise<Place> {
    if (dialect === 'postgres') {
      const server = await this.#server()
      return { dialect, name: to, url: await server.createDatabase(to, name), orders }
    }
    copyFileSync(this.#file(name), this.#file(to))
    return { dialect, name: to, url: `sqlite:${this.#file(to)}`, orders }
  }

  /** Frees the disk; PostgreSQL's databases go with their server. */
  async remove({ dialect, name }: Place): Promise<void> {
    await this.#kafkas.get(name)?.stop()
    this.#kafkas.delete(name)
    if (dialect === 'sqlite')
      for (const end of ['', '-wal', '-shm']) rmSync(`${this.#file(name)}${end}`, { force: true })
  }

  async stop(): Promise<void> {
    for (const kafka of this.#kafkas.values()) await kafka.stop()
    await (await this.#postgres)?.stop()
    this.#leave()
    process.off('exit', this.#leave)
  }

  #file(name: string): string {
    return join(this.folder, `${name}.sqlite`)
  }

  /** Durable, as in production: fsync and synchronous_commit are on. */
  #server(): Promise<Postgres> {
    return (this.#postgres ??= startPostgres({ durable: true }))
  }
}

/** For looking at a database beside the process that works on it. */
export async function openPlace({ dialect, url }: Place): Promise<Store> {
  if (dialect === 'postgres') return openPostgres({ url })
  return openSqlite({ path: url.slice('sqlite:'.length), readOnly: true })
}
