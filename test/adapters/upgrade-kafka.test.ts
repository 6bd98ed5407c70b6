// Two versions side by side over Kafka, in two databases: each process is replaced while orders go on, and back.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { runCheck } from '../../src/cli/check/run-check.ts'
import type { Service } from '../../src/kernel/service.ts'
import type { KafkaAddress } from '../../src/platform/kafka/address.ts'
import type { Store } from '../../src/platform/ports.ts'
import { openPostgres } from '../../src/platform/store/postgres.ts'
import { systemClock } from '../../src/platform/system.ts'
import { services as oldServices } from '../../src/services.ts'
import { kafkaIsHere, startKafka } from '../../src/testing/kafka/kafka.ts'
import { makeTopics } from '../../src/testing/kafka/relayed.ts'
import { PARTITIONS, startVersion, type VersionProcess } from '../../src/testing/kafka/versions.ts'
import { nextServices, pointsIn, praiseIn } from '../../src/testing/next-shop.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { openOutside } from '../../src/testing/shop.ts'
import { waitFor } from '../../src/testing/wait-for.ts'

const timeout = 240_000
const withinMs = 60_000
const STOCK = 100_000
/** Ended before the next step. */
const ORDERS_EACH = 15
const PRAISED = 12

type Version = 'old' | 'next'
type Rows = readonly Readonly<Record<string, string>>[]

const versions: Readonly<Record<Version, readonly Service[]>> = { old: oldServices, next: nextServices }
/** A service that is new gets a process of its own, as the guide says. */
const sets = {
  front: 'clients,catalog,orders,notifications,analytics',
  back: 'inventory,payments,shipping',
  loyalty: 'loyalty',
} as const
type SetName = keyof typeof sets
const inFront = sets.front.split(',')
const inBack = [...sets.back.split(','), sets.loyalty]

/** As a stranger sees them, whoever runs. */
interface Databases {
  readonly front: Store
  readonly back: Store
}

interface Running {
  readonly set: SetName
  readonly version: Version
  readonly process: VersionProcess
}

/** Processes of both versions over two databases, with the same payment provider, carrier and mail server. */
class Fleet {
  readonly #urls: Readonly<Record<'front' | 'back' | 'log', string>>
  readonly #outside = openOutside(systemClock)
  readonly #running: Running[] = []
  readonly placed: string[] = []
  /** What each process said that is gone. */
  readonly told: { readonly version: Version; readonly lines: readonly string[] }[] = []
  readonly #selling = { isOver: false }
  #buyers: Promise<void>[] = []

  constructor(urls: Readonly<Record<'front' | 'back' | 'log', string>>) {
    this.#urls = urls
  }

  #of(set: SetName): readonly VersionProcess[] {
    return this.#running.filter((each) => each.set === set).map(({ process }) => process)
  }

  async join(set: SetName, version: Version): Promise<VersionProcess> {
    const process = await this.#start(version, ['--services', sets[set], '--log', this.#urls.log])
    this.#running.push({ set, version, process })
    await this.#sharedOut(set)
    return process
  }

  #start(version: Version, flags: readonly string[]): Promise<VersionProcess> {
    const services = versions[version]
    const elsewhere = inBack.filter((name) => services.some((service) => service.name === name))
    const environment = Object.fromEntries(
      elsewhere.map((name) => [`STORE_URL_${name.toUpperCase()}`, this.#urls.back]),
    )
    return startVersion({
      services,
      flags: ['--store', this.#urls.front, ...flags],
      environment,
      outside: this.#outside,
    })
  }

  async leave(process: VersionProcess): Promise<readonly string[]> {
    const at = this.#running.findIndex((each) => each.process === process)
    const [left] = this.#running.splice(at, 1)
    assert.ok(left !== undefined)
    await process.stop()
    this.told.push({ version: left.version, lines: process.told })
    await this.#sharedOut(left.set)
    return process.told
  }

  async #sharedOut(set: SetName): Promise<void> {
    const all = this.#of(set)
    const isEven = (): boolean => all.every((each) => each.share() === PARTITIONS / all.length)
    await waitFor(isEven, { withinMs, what: `even shares of ${set}` })
  }

  /** Each buyer waits for the end of his order before the next one, at whichever process answers. */
  open(buyers: number): void {
    this.#buyers = Array.from({ length: buyers }, async (_, buyer) => {
      for (let turn = buyer; !this.#selling.isOver; turn += 1) {
        const fronts = this.#of('front')
        const answer = await fronts[turn % fronts.length]?.place({}, { headers: { prefer: 'wait=30' } })
        if (answer === undefined) continue
        // 503 is what a process says that is leaving.
        if (answer.status === 201) this.placed.push(answer.body.orderId)
        else assert.equal(answer.status, 503)
      }
    })
    for (const buyer of this.#buyers) buyer.catch(() => undefined)
  }

  async goOn(what: string): Promise<void> {
    const before = this.placed.length
    await waitFor(() => this.placed.length > before + ORDERS_EACH, { withinMs, what })
  }

  async close(): Promise<void> {
    this.#selling.isOver = true
    await Promise.all(this.#buyers)
  }

  async leaveAll(): Promise<void> {
    for (const { process, version } of this.#running.splice(0)) {
      await process.stop()
      this.told.push({ version, lines: process.told })
    }
  }

  /** `lonja check` of a version over both databases. */
  async assertSound(version: Version): Promise<void> {
    const reader = await this.#start(version, ['--roles', 'api'])
    try {
      const { ok, problems } = await runCheck(reader.lonja, {
        quick: false,
        ledger: () => this.#outside.gateway.ledger(),
      })
      assert.ok(ok, JSON.stringify(problems.slice(0, 5)))
    } finally {
      await reader.stop()
    }
  }

  async end(): Promise<void> {
    this.#selling.isOver = true
    await Promise.allSettled(this.#buyers)
    await this.leaveAll().catch(() => undefined)
    this.#outside.gateway.stop()
    this.#outside.carrier.stop()
  }
}

/** What waits, or is dead, in either database. */
async function leftOver({ front, back }: Databases, table: 'parked' | 'dead_letters'): Promise<readonly unknown[]> {
  const sqlFor = (names: readonly string[]): string =>
    names.map((name) => `SELECT consumer_group, type, key, code FROM ${name}.${table}`).join(' UNION ALL ')
  return [...(await front.query(sqlFor(inFront))), ...(await back.query(sqlFor(inBack)))]
}

/** Partitions of these services' logs of which Kafka lacks something. */
async function unshipped(store: Store, names: readonly string[]): Promise<readonly unknown[]> {
  const sqlFor = (name: string): string =>
    `SELECT '${name}', h.topic, h.partition FROM ${name}.heads AS h LEFT JOIN lonja.relay_marks AS m
     ON m.source = '${name}' AND m.topic = h.topic AND m.partition = h.partition WHERE h.next > coalesce(m.next, 0)`
  return store.query(names.map(sqlFor).join(' UNION ALL '))
}

async function unshippedAnywhere({ front, back }: Databases): Promise<readonly unknown[]> {
  return [...(await unshipped(front, inFront)), ...(await unshipped(back, inBack))]
}

/** Stock travels by another topic than orders: it has to be there first. */
async function openShop(front: VersionProcess, { back }: Databases): Promise<void> {
  await front.client()
  await front.product({ quantity: STOCK })
  const stock = 'SELECT key FROM inventory.stock'
  const isThere = async (): Promise<boolean> => (await back.query(stock)).length > 0
  await waitFor(isThere, { withinMs, what: 'the stock is there' })
}

/** Each order once, in its stream, in the list and at the service that hears of it over Kafka. */
async function assertConfirmedOnce({ front, back }: Databases, placed: readonly string[]): Promise<void> {
  const inList: Rows = await front.query('SELECT order_id, status FROM orders.order_list')
  assert.deepEqual(
    inList.filter(({ status }) => status !== 'CONFIRMED'),
    [],
  )
  const listed = new Set(inList.map((row) => row['order_id']))
  assert.deepEqual(
    placed.filter((orderId) => !listed.has(orderId)),
    [],
  )
  const sql = `SELECT key FROM orders.streams WHERE type = 'OrderConfirmed'`
  const streams: Rows = await front.query(sql)
  const confirmed = streams.map(({ key = '' }) => key)
  assert.equal(confirmed.length, listed.size)
  assert.deepEqual(new Set(confirmed), listed)
  const points = await pointsIn(back)
  const once = [...points].filter(([, given]) => given.filter((what) => what === 'confirmed').length === 1)
  assert.deepEqual(once.map(([orderId]) => orderId).toSorted(), confirmed.toSorted())
}

interface World {
  readonly fleet: Fleet
  readonly databases: Databases
  readonly address: KafkaAddress
}

/** The front's process is replaced, and then the one behind it. */
async function rollIn({ fleet, databases, address }: World) {
  const oldFront = await fleet.join('front', 'old')
  const oldBack = await fleet.join('back', 'old')
  await openShop(oldFront, databases)
  fleet.open(4)
  await fleet.goOn('orders are placed')

  await assert.rejects(fleet.join('loyalty', 'next'), /Kafka has no topic loyalty\.events\. Make the topics/)
  await makeTopics(address, 1, nextServices)
  await fleet.join('loyalty', 'next')
  const newer = await fleet.join('front', 'next')
  const praised = fleet.placed.slice(0, PRAISED)
  for (const orderId of praised) await praiseIn(newer, orderId, 'quick')
  // Payments hear the topic in a process that is old: what is new comes to it over Kafka, and waits there.
  const waiting = `SELECT DISTINCT key FROM payments.parked WHERE type = 'OrderPraised' AND code = 'UnknownMessage'`
  const hasCrossed = async (): Promise<boolean> => (await databases.back.query(waiting)).length === PRAISED
  await waitFor(hasCrossed, { withinMs, what: 'the new type crosses Kafka and waits' })
  await fleet.leave(oldFront)
  await fleet.goOn('orders go on beside what waits')
  assert.ok(await hasCrossed())
  // The relay behind is the old process's, which knows nothing of that log.
  assert.ok((await unshipped(databases.back, ['loyalty'])).length > 0)

  await fleet.join('back', 'next')
  const told = await fleet.leave(oldBack)
  assert.equal(told.filter((line) => /"group":"payments".*UnknownMessage/.test(line)).length, PRAISED)
  await untilThanked(databases, praised)
  return { newer, praised }
}

/** All that follows from praise has come through, and nothing waits. */
async function untilThanked(databases: Databases, praised: readonly string[]): Promise<void> {
  const isDone = async (): Promise<boolean> => {
    const given = await pointsIn(databases.back)
    return praised.every((orderId) => given.get(orderId)?.length === 3)
  }
  await waitFor(isDone, { withinMs, what: 'every praise and every timer came through' })
  await waitFor(async () => (await leftOver(databases, 'parked')).length === 0, { withinMs, what: 'nothing waits' })
  assert.deepEqual(await leftOver(databases, 'dead_letters'), [])
  const given = await pointsIn(databases.back)
  for (const orderId of praised)
    assert.deepEqual(given.get(orderId)?.toSorted(), ['confirmed', 'praised', 'thanked'], orderId)
}

/** For a while the front has one process that is old, with its relay: it ships what the newer one said last. */
async function rollBackAndIn({ fleet, databases }: World, newer: VersionProcess) {
  const older = await fleet.join('front', 'old')
  const late = fleet.placed.at(-1) ?? ''
  await praiseIn(newer, late, 'late')
  await fleet.leave(newer)
  await fleet.goOn('the old version sells on')
  const isHeard = async (): Promise<boolean> => (await pointsIn(databases.back)).get(late)?.includes('praised') ?? false
  await waitFor(isHeard, { withinMs, what: 'an old relay ships new words' })
  assert.deepEqual(await leftOver(databases, 'dead_letters'), [])
  await fleet.assertSound('old')

  await fleet.join('front', 'next')
  await fleet.leave(older)
  await fleet.goOn('the newer version sells again')
  return late
}

suite('two versions side by side over Kafka', async () => {
  if (!(await kafkaIsHere())) return

  test('a release that adds rolls in and back, and nothing is lost on its way', { timeout }, async () => {
    const kafka = await startKafka()
    const address = { brokers: kafka.brokers, clientId: 'test' }
    const [front, back] = [await sharedPostgres(), await sharedPostgres()]
    const databases = { front: await openPostgres({ url: front }), back: await openPostgres({ url: back }) }
    const fleet = new Fleet({ front, back, log: `kafka://${kafka.brokers[0]}` })
    const world = { fleet, databases, address }
    try {
      await makeTopics(address)
      const { newer, praised } = await rollIn(world)
      const late = await rollBackAndIn(world, newer)
      await fleet.close()
      await untilThanked(databases, [...praised, late])
      await waitFor(async () => (await unshippedAnywhere(databases)).length === 0, { withinMs, what: 'all is shipped' })
      await fleet.leaveAll()

      await assertConfirmedOnce(databases, fleet.placed)
      const list: Rows = await databases.front.query('SELECT order_id, praise FROM orders.order_list')
      const words = list.flatMap(({ order_id: orderId, praise }) => (praise === null ? [] : [`${orderId} ${praise}`]))
      assert.deepEqual(words.toSorted(), [...praised.map((each) => `${each} quick`), `${late} late`].toSorted())
      await fleet.assertSound('next')
      const said = fleet.told.flatMap(({ version, lines }) => lines.map((line) => `${version}: ${line}`))
      const isMeant = (line: string): boolean => /^old: .*(UnknownMessage|never heard)/.test(line)
      assert.deepEqual(
        said.filter((line) => !isMeant(line)),
        [],
      )
    } finally {
      await fleet.end()
      await databases.front.close()
      await databases.back.close()
      await kafka.stop()
    }
  })
})
