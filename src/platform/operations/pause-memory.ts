// What this process knows of the pauses of its database. A pause is no fence: it is heard of within about a second.
import type { Store } from '../ports.ts'
import type { Channels } from '../runtime/channels.ts'
import type { GroupPauses, Pause } from './pause-state.ts'
import { PAUSES_TABLE, covers } from './pause-state.ts'
import { readAlike } from '../store/read-alike.ts'

/** What is announced to other processes when a person paused or resumed a group. No service has this name. */
export const PAUSE_NEWS = '#pauses'

export interface PauseMemoryOptions {
  readonly store: Store
  /** The services whose groups run here. */
  readonly hosted: readonly string[]
  readonly channels: Channels
}

/** The pauses of each group of these services, as they are stored. */
export async function readPauses(
  store: Store,
  services: readonly string[],
): Promise<ReadonlyMap<string, readonly Pause[]>> {
  const wanted = { table: PAUSES_TABLE, columns: ['key', 'state'] }
  const rows = await readAlike<{ readonly key: string; readonly state: string }>(store, services, wanted)
  return new Map(rows.map(({ key, state }) => [key, (JSON.parse(state) as GroupPauses).pauses]))
}

export class PauseMemory {
  /** Somebody may have changed them: they are read again before the next batch. */
  isStale = false
  readonly #options: PauseMemoryOptions
  #pauses: ReadonlyMap<string, readonly Pause[]> = new Map()

  constructor(options: PauseMemoryOptions) {
    this.#options = options
  }

  /** Reads them afresh; each cursor learns whether it stands still. */
  async recall(): Promise<void> {
    const { store, hosted, channels } = this.#options
    this.isStale = false
    this.#pauses = await readPauses(store, hosted)
    for (const { topic, partition, cursors } of channels.all) {
      for (const cursor of cursors) {
        cursor.paused = this.#of(cursor.group.name).find((pause) => covers(pause, { topic, partition }))
      }
    }
  }

  /**
   * Whether nothing of a group goes on in a partition by itself: neither its parked keys nor its timers. A pause of one
   * topic counts too, since nobody looks into a queue for the topics of what waits there.
   */
  holds(group: string, partition: number): boolean {
    return this.#of(group).some((pause) => pause.partition === null || pause.partition === partition)
  }

  #of(group: string): readonly Pause[] {
    return this.#pauses.get(group) ?? []
  }
}
