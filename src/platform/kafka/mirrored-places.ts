// At which offset of Kafka each group has something to read: of own logs by time, of others by what was fetched.
import type { Log } from '../ports.ts'
import type { Channel, Cursor } from '../runtime/channels.ts'
import type { NewOffset, OffsetAdmin, OffsetQuestion } from './offset-admin.ts'

/** What is looked at of a running database. */
export interface MirroredRuntime {
  readonly channels: { readonly all: readonly Channel[] }
  readonly isOurs: (channel: Channel) => boolean
  readonly options: { readonly works: boolean; readonly logOf: (source: string) => Log }
}

/**
 * The first offset of a partition that a group, whose numbers these are, has not read; undefined where that is not
 * known. Only of sources that are read over Kafka.
 */
export type UnreadOnKafka = (
  place: { readonly topic: string; readonly partition: number },
  nextOf: ReadonlyMap<string, number>,
) => bigint | undefined

export interface MirroredPlacesOptions {
  readonly runtimes: readonly MirroredRuntime[]
  readonly unread: UnreadOnKafka
}

type Asked = Pick<OffsetAdmin, 'offsets'>

/** One group's place in one partition, over all sources that share it. */
interface Standing {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly cursors: readonly Cursor[]
  readonly logOf: (source: string) => Log
}

export class MirroredPlaces {
  readonly #options: MirroredPlacesOptions

  constructor(options: MirroredPlacesOptions) {
    this.#options = options
  }

  /**
   * The offsets of all groups in the partitions that this process holds. Of an own log the relay's offsets are not
   * kept anywhere: a record lies at or behind the first offset of its time, so lag counts a millisecond too much at
   * most. Whoever has read all stands at the end, behind the marks that end Kafka's transactions.
   */
  async offsets(admin: Asked): Promise<ReadonlyMap<string, readonly NewOffset[]>> {
    const standings = this.#standings()
    // Asked before the cursors are looked at: what a group has passed by then lay below.
    const ends = await admin.offsets(placesOf(standings))
    const since = await this.#unreadSince(standings)
    const behind = await this.#offsetsSince(admin, since)
    const found = new Map<string, NewOffset[]>()
    for (const standing of standings) {
      const { group, topic, partition } = standing
      const end = ends.get(`${topic}/${partition}`)
      const offset = end === undefined ? undefined : this.#offsetOf(standing, behind.get(standing) ?? end)
      if (offset === undefined) continue
      found.set(group, [...(found.get(group) ?? []), { topic, partition, offset }])
    }
    return found
  }

  #standings(): Standing[] {
    return this.#options.runtimes.flatMap(({ channels, isOurs, options: { works, logOf } }) => {
      const cursors = works ? channels.all.filter(isOurs).flatMap((channel) => channel.cursors) : []
      const places = Map.groupBy(cursors, ({ group: { name }, channel: { topic, partition } }) => {
        return `${name} ${topic}/${partition}`
      })
      return [...places.values()].map((own): Standing => {
        const [{ group, channel }] = own as [Cursor]
        return { group: group.name, topic: channel.topic, partition: channel.partition, cursors: own, logOf }
      })
    })
  }

  /** When the first record that a group has not read of its own database's logs was appended. */
  async #unreadSince(standings: readonly Standing[]): Promise<ReadonlyMap<Standing, number>> {
    const behind = standings.flatMap((standing) =>
      standing.cursors
        .filter(({ next, channel }) => next < channel.next && standing.logOf(channel.source).isElsewhere !== true)
        .map((cursor) => ({ standing, cursor })),
    )
    const found = new Map<Standing, number>()
    for (const [source, own] of Map.groupBy(behind, ({ cursor: { channel } }) => channel.source)) {
      const ranges = own.map(
        ({
          cursor: {
            next: from,
            channel: { topic, partition },
          },
        }) => ({ topic, partition, from }),
      )
      const rows = (await own[0]?.standing.logOf(source).readLog(source, ranges, 1)) ?? []
      for (const { standing, cursor } of own) {
        const { topic, partition } = standing
        // Of a partition there may be rows for other groups, too.
        const ahead = rows.filter(
          (row) => row.topic === topic && row.partition === partition && row.last >= cursor.next,
        )
        const row = ahead.toSorted((one, other) => one.last - other.last)[0]
        if (row !== undefined) found.set(standing, Math.min(row.appendedAt, found.get(standing) ?? Infinity))
      }
    }
    return found
  }

  /** Groups may be behind at several moments of one partition, and a request has room for one of each. */
  async #offsetsSince(admin: Asked, moments: ReadonlyMap<Standing, number>): Promise<ReadonlyMap<Standing, bigint>> {
    const found = new Map<Standing, bigint>()
    const left = new Map(moments)
    while (left.size > 0) {
      const asked = new Map<string, OffsetQuestion>()
      for (const [{ topic, partition }, since] of left) {
        const place = `${topic}/${partition}`
        if (!asked.has(place)) asked.set(place, { topic, partition, since })
      }
      const answers = await admin.offsets([...asked.values()])
      for (const [standing, since] of left) {
        const place = `${standing.topic}/${standing.partition}`
        if (asked.get(place)?.since !== since) continue
        left.delete(standing)
        const offset = answers.get(place)
        // Not shipped yet: on Kafka there is nothing that the group has not read.
        if (offset !== undefined) found.set(standing, offset)
      }
    }
    return found
  }

  #offsetOf({ topic, partition, cursors, logOf }: Standing, ofOwnLogs: bigint): bigint | undefined {
    const elsewhere = cursors.filter(({ channel: { source } }) => logOf(source).isElsewhere === true)
    if (elsewhere.length === 0) return ofOwnLogs
    const nextOf = new Map(elsewhere.map(({ channel: { source }, next }) => [source, next]))
    const unread = this.#options.unread({ topic, partition }, nextOf)
    return unread === undefined || unread < ofOwnLogs ? unread : ofOwnLogs
  }
}

function placesOf(standings: readonly Standing[]): OffsetQuestion[] {
  const places = new Map(standings.map(({ topic, partition }) => [`${topic}/${partition}`, { topic, partition }]))
  return [...places.values()]
}
