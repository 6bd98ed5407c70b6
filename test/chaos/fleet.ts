// The shop as it runs: one process on SQLite, several on PostgreSQL, also with Kafka; with buyers and mail server.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { startKafka, type Kafka } from '../../src/testing/kafka/kafka.ts'
import { findFreePorts } from '../../src/testing/kafka/ports.ts'
import { listenTo, makeTopics, topicNames, type Listener } from '../../src/testing/kafka/relayed.ts'
import { startPostgres, type Postgres } from '../../src/testing/postgres.ts'
import type { Load } from './load.ts'
import { openNetwork, type Network } from './network.ts'
import { startMailServer, type MailServer } from './mail-server.ts'
import type { Sabotage } from './sabotage.ts'
import { Stage, type ShopProcess } from './shop-process.ts'
import { SmallDisk } from './small-disk.ts'

/** `kafka` is PostgreSQL whose logs are shipped. */
export const DIALECTS = ['sqlite', 'postgres', 'kafka'] as const
export type Dialect = (typeof DIALECTS)[number]

export interface FleetPlan {
  readonly dialect: Dialect
  readonly processes: number
  readonly load: Load
  /** PostgreSQL lies on a disk that can be filled. @throws where the machine does not allow it. */
  readonly onSmallDisk?: boolean
  /** A dead process's leases are over at once, for runs in which the wait for them is not what is looked at. */
  readonly hurriesLeases?: boolean
  /** Brokers of Kafka: 1 unless told. */
  readonly nodes?: 1 | 3
}

/** The networks of a fleet on Kafka. */
interface Networks {
  /** Between each process and PostgreSQL, by place. */
  readonly toPostgres: readonly Network[]
  /** Between everybody and the broker, where there is one. */
  readonly toBroker: Network | undefined
  /** Between each broker and the others, by node, where there are several. */
  readonly toPeers: readonly Network[]
}

interface StartPlan {
  readonly flags?: readonly string[]
  readonly orders?: Sabotage
}

/** At the first start there may be no leases yet. */
const LEASES_RUN_OUT = `DO $$ BEGIN IF to_regclass('lonja.leases') IS NOT NULL THEN
  UPDATE lonja.leases SET expires_at = 0; UPDATE lonja.members SET expires_at = 0; END IF; END $$`
/** Little is kept for later, so that a small disk is filled by what the shop writes. */
const SMALL_LOG = { min_wal_size: '32MB', max_wal_size: '64MB' }

export class Fleet {
  readonly stage = new Stage()
  readonly mails: MailServer
  readonly plan: FleetPlan
  /** Undefined on SQLite. */
  readonly server: Postgres | undefined
  readonly disk: SmallDisk | undefined
  /** Where there is Kafka; and who listens to it all the time. */
  readonly kafka: Kafka | undefined
  readonly listener: Listener | undefined
  readonly networks: Networks | undefined
  /** Holds the data of PostgreSQL. */
  readonly serverFolder: string | undefined
  /** The address of the database. */
  readonly store: string
  readonly #shops: ShopProcess[] = []

  private constructor(plan: FleetPlan, parts: Parts) {
    this.plan = plan
    this.mails = parts.mails
    this.disk = parts.disk
    this.server = parts.server
    this.kafka = parts.kafka
    this.listener = parts.listener
    this.networks = parts.networks
    this.serverFolder = parts.serverFolder
    this.store = parts.store ?? `sqlite:${this.path}`
  }

  /** The database is there, and empty; no process runs yet. */
  static async open(plan: FleetPlan): Promise<Fleet> {
    const parts = plan.dialect === 'sqlite' ? {} : await openPostgres(plan)
    const onKafka = plan.dialect === 'kafka' ? await openKafka(plan) : undefined
    const networks = onKafka && { ...onKafka, toPostgres: await openWays(plan, 'store' in parts ? parts.store : '') }
    return new Fleet(plan, { ...parts, ...onKafka, ...(networks && { networks }), mails: await startMailServer() })
  }

  /** The file of SQLite. */
  get path(): string {
    return join(this.stage.folder, 'lonja.sqlite')
  }

  get shops(): readonly ShopProcess[] {
    return this.#shops
  }

  get places(): readonly number[] {
    return Array.from({ length: this.plan.processes }, (_, place) => place)
  }

  shopAt(place: number): ShopProcess {
    const shop = this.#shops[place]
    if (shop === undefined) throw new Error(`No process was ever started at place ${place}.`)
    return shop
  }

  /** Starts the process of a place; buyers come as soon as it serves, which it may not live to see. */
  spawn(place: number, { flags = [], orders = {} }: StartPlan = {}): ShopProcess {
    const { load } = this.plan
    const own = [...flags, ...this.#flags()]
    const shop = this.stage.spawn({ store: this.#storeOf(place), flags: own, orders })
    this.#shops[place] = shop
    void shop.serving.then(
      ({ url }) => shop.hasEnded() || load.up(url),
      () => undefined,
    )
    void shop.ended.then(() => load.down(shop.url))
    return shop
  }

  /** A process's own way to the database. */
  #storeOf(place: number): string {
    const network = this.networks?.toPostgres[place]
    return network === undefined ? this.store : withPort(this.store, network.port)
  }

  /** One more process, which works and takes no requests. */
  spawnWorker(): ShopProcess {
    return this.stage.spawn({ store: this.store, flags: [...this.#flags(), '--roles', 'worker'] })
  }

  #flags(): readonly string[] {
    const log = this.kafka === undefined ? [] : ['--log', `kafka://${this.kafka.brokers.join(',')}`]
    return [...log, '--smtp-url', this.mails.url]
  }

  /** The place of the process that ships to Kafka, by the connection with which it shows that it is there. */
  async relayingPlace(): Promise<number | undefined> {
    const rows = await this.sql<{ client_port: number }>(RELAYING_SESSION)
    const place = this.networks?.toPostgres.findIndex((network) =>
      rows.some(({ client_port }) => network.hasUpstream(client_port)),
    )
    return place === undefined || place < 0 ? undefined : place
  }

  /** Starts the processes of these places at once. @returns when they were, by `performance.now()`. */
  async start(places: readonly number[] = this.places, plan: StartPlan = {}): Promise<number> {
    if (this.plan.hurriesLeases === true && this.server !== undefined && this.#shops.length > 0)
      await this.sql(LEASES_RUN_OUT)
    const startedAtMs = performance.now()
    await Promise.all(places.map((place) => this.spawn(place, plan).serving))
    return startedAtMs
  }

  async kill(places: readonly number[]): Promise<void> {
    await Promise.all(places.map((place) => this.shopAt(place).kill()))
  }

  /** Asks the database of PostgreSQL itself, over a connection of its own. */
  async sql<Row extends object>(text: string): Promise<readonly Row[]> {
    const client = new Client({ connectionString: this.store, connectionTimeoutMillis: 5000 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return (await client.query<Row>(text)).rows
    } finally {
      await client.end().catch(() => undefined)
    }
  }

  /** Stops whatever runs. @param keep leaves the database and the last lines of the processes where they are found. */
  async close(keep = false): Promise<void> {
    if (keep) writeFileSync(join(this.stage.folder, 'last-lines.txt'), this.stage.logs())
    await this.stage.end(keep)
    await this.mails.close()
    await this.listener?.stop()
    const { toPostgres = [], toPeers = [], toBroker } = this.networks ?? {}
    for (const network of [...toPostgres, ...toPeers]) await network.close()
    await toBroker?.close()
    await this.kafka?.stop()
    await this.server?.stop()
    this.disk?.unmount()
    if (!keep && this.serverFolder !== undefined) rmSync(this.serverFolder, { recursive: true, force: true })
  }

  /** Where to look after `close(true)`. */
  get leftBehind(): string {
    return [this.stage.folder, ...(this.disk === undefined ? [this.serverFolder ?? []] : [])].flat().join(' and ')
  }
}

interface Parts {
  readonly mails: MailServer
  readonly server?: Postgres
  readonly serverFolder?: string
  readonly disk?: SmallDisk
  readonly store?: string
  readonly kafka?: Kafka
  readonly listener?: Listener
  readonly networks?: Networks
}

/** The member of the relay's lease, by the advisory lock that each member holds in a session of its own. */
const RELAYING_SESSION = `SELECT a.client_port FROM lonja.leases AS l
  JOIN pg_locks AS k ON k.locktype = 'advisory' AND k.objid::integer = hashtext(l.holder)
  JOIN pg_stat_activity AS a ON a.pid = k.pid WHERE l.scope = 'relay'`

/**
 * One broker lies behind a network of its own, by the address that it gives to everybody; of several each lies behind
 * one for the others.
 */
async function openKafka({ nodes = 1 }: FleetPlan) {
  const toBroker = nodes === 1 ? await openNetwork() : undefined
  const settings: Readonly<Record<string, string>> =
    toBroker === undefined
      ? { 'replica.lag.time.max.ms': '2000' }
      : { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${toBroker.port}` }
  const peerPorts = nodes === 1 ? [] : await findFreePorts(nodes)
  const toPeers = await Promise.all(peerPorts.map((port) => openNetwork(port)))
  const peers = toPeers.map(({ port: through }, index) => ({ port: peerPorts[index] ?? 0, through }))
  const kafka = await startKafka({ nodes, settings, ...(peers.length > 0 && { peers }) })
  const [first = ''] = kafka.brokers
  toBroker?.leadTo(Number(first.split(':').at(-1)))
  const address = { brokers: kafka.brokers, clientId: 'chaos' }
  await makeTopics(address, nodes)
  return { kafka, toBroker, toPeers, listener: listenTo(address, topicNames) }
}

/** Between each process and PostgreSQL. */
async function openWays({ processes }: FleetPlan, store = ''): Promise<readonly Network[]> {
  const port = Number(new URL(store).port)
  const toPostgres: Network[] = []
  for (let place = 0; place < processes; place += 1) toPostgres.push(await openNetwork(port))
  return toPostgres
}

function withPort(url: string, port: number): string {
  const address = new URL(url)
  address.port = String(port)
  return address.href
}

async function openPostgres({ onSmallDisk = false }: FleetPlan): Promise<Omit<Parts, 'mails'>> {
  const disk = onSmallDisk ? SmallDisk.mount() : undefined
  const serverFolder = disk === undefined ? mkdtempSync(join(tmpdir(), 'lonja-chaos-')) : join(disk.folder, 'server')
  try {
    const server = await startPostgres({ folder: serverFolder, durable: true, ...(disk && { settings: SMALL_LOG }) })
    const store = await server.createDatabase('shop')
    return { server, serverFolder, store, ...(disk && { disk }) }
  } catch (error) {
    disk?.unmount()
    throw error
  }
}
