// What other processes of a database have passed of a scaled topic, read from their cursors' rows.
import type { Log, Store } from '../ports.ts'
import { placeName } from '../rebuild/log-reader.ts'
import { awaited, settle } from './barriers.ts'
import type { Channels, Cursor, StoredCursor } from './channels.ts'
import { setGeneration } from './crossing.ts'
import { followSetBack } from './set-back.ts'

export interface CrossingsOptions {
  readonly store: Store
  readonly channels: Channels
  readonly logOf: (source: string) => Log
  /** Whether this process works on the cursor's partition. */
  readonly isOurs: (channel: Cursor['channel']) => boolean
  /** A generation may be handled whose barriers other processes have passed: what they left is read first. */
  readonly readAgain: () => void
}

export class Crossings {
  readonly #options: CrossingsOptions

  constructor(options: CrossingsOptions) {
    this.#options = options
  }

  /** Whether the cursor waits; other processes' cursors are read where it does, before the batch and what it probes. */
  async waits(cursor: Cursor): Promise<boolean> {
    if (settle(cursor.crossing, cursor.generation)) return false
    const { isOurs, readAgain } = this.#options
    if (awaited(cursor).every(({ channel }) => isOurs(channel))) return true
    await this.readOthers(cursor.group.service)
    if (!settle(cursor.crossing, cursor.generation)) return true
    readAgain()
    return true
  }

  /** Where the groups of a service stand in the partitions of other processes. Memory is behind them, never ahead. */
  async readOthers(service: string): Promise<void> {
    const { store, channels, isOurs, logOf } = this.#options
    const rows = await store.query<Omit<StoredCursor, 'began_at'>>(
      `SELECT consumer_group, topic, partition, source, version, next, generation, incarnation
       FROM ${store.tableName(service, 'cursors')}`,
    )
    const stored = new Map(rows.map((row) => [`${row.consumer_group} ${placeName(row)}`, row]))
    for (const channel of channels.all) {
      if (isOurs(channel)) continue
      for (const cursor of channel.cursors) {
        const row = stored.get(`${cursor.group.name} ${placeName(channel)}`)
        if (row === undefined || cursor.group.service !== service) continue
        const { next, version, generation, incarnation } = row
        setGeneration(cursor, generation)
        Object.assign(cursor, { next, version, incarnation })
        if (incarnation < channel.incarnation) await followSetBack(cursor, logOf(channel.source))
      }
    }
  }
}
