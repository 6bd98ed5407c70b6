// What waits in partitions that a process left when it died: records, parked keys, timers and answers of calls.
import type { Clock, Store, Write } from '../ports.ts'
import type { ParkedKey } from '../parking/parked-key.ts'
import type { Parking } from '../parking/parking.ts'
import type { Channels, Cursor } from '../runtime/channels.ts'
import type { EffectRow, TimerRow } from '../runtime/outbox.ts'
import { effectCells, timerCells } from '../runtime/outbox.ts'
import type { Registry } from '../runtime/registry.ts'
import { readDueTimers, readOpenEffects } from '../runtime/stored-rows.ts'
import type { Item } from './item.ts'
import { answerName, cursorName, lotOf, parkedName, timerName } from './item.ts'

interface Place {
  readonly lot: string
  /** Whose it is, for the log. */
  readonly group: string
}

export type Found = Item &
  Place &
  (
    | { readonly kind: 'record'; readonly cursor: Cursor }
    | { readonly kind: 'retry'; readonly parked: ParkedKey }
    | { readonly kind: 'timer'; readonly timer: TimerRow }
    | { readonly kind: 'answer'; readonly row: EffectRow }
  )

interface Where {
  readonly registry: Registry
  readonly store: Store
  readonly hosted: readonly string[]
  readonly clock: Clock
  readonly channels: Channels
  readonly parking: Parking
}

/** What a timer or an answer that was found in hand waits: by then somebody has read the alarm, or it kills again. */
const SET_BACK_MS = 3_600_000

/** Everything in these lots that a batch would take up by itself, in the order in which it would. */
export async function leftBehind(where: Where, lots: ReadonlySet<string>): Promise<readonly Found[]> {
  const { store, hosted, clock, channels } = where
  const now = clock.now()
  const timers = (
    await Promise.all(hosted.map((service) => readDueTimers(store, service, { now, without: [] })))
  ).flat()
  const rows = await readOpenEffects(where)
  const lot = (partition: number) => lotOf(hosted, { partitions: channels.workPartitions, partition })
  const found: Found[] = [
    ...recordsOf(where),
    ...where.parking.overdue(now).map((parked): Found => {
      return {
        kind: 'retry',
        name: parkedName(parked),
        at: parked.version,
        lot: lotOf(hosted, parked),
        parked,
        group: parked.group,
      }
    }),
    ...timers.map((timer): Found => {
      const { service: group, due: at, partition } = timer
      return { kind: 'timer', name: timerName(timer), at, lot: lot(partition), timer, group }
    }),
    ...rows.map((row): Found => {
      return {
        kind: 'answer',
        name: answerName(row),
        at: row.version,
        lot: lot(row.partition),
        row,
        group: row.service,
      }
    }),
  ]
  return found.filter((each) => lots.has(each.lot))
}

function recordsOf({ channels, hosted }: Where): Found[] {
  return channels.all.flatMap((channel) =>
    channel.cursors
      .filter(({ next, group }) => next < channel.next && hosted.includes(group.service))
      .map((cursor): Found => {
        const lot = lotOf(hosted, channel)
        return { kind: 'record', name: cursorName(cursor), at: cursor.next, lot, cursor, group: cursor.group.name }
      }),
  )
}

/** What moves a timer, or a call whose answer kills, to the back of its queue; records and retries need a batch. */
export function setBack({ registry }: Where, found: Found, now: number): Write[] {
  const due = now + SET_BACK_MS
  if (found.kind === 'timer') {
    const { timer } = found
    const table = registry.tables.get(timer.service)?.timers
    if (table === undefined) return []
    return [
      { table, mode: 'delete', rows: [[timer.due, timer.partition, timer.name, timer.key]] },
      { table, mode: 'upsert', rows: [timerCells({ ...timer, due })] },
    ]
  }
  if (found.kind !== 'answer') return []
  const { row } = found
  const table = registry.tables.get(row.service)?.effects
  if (table === undefined) return []
  const later = { ...row, due, version: row.version + 1, lastError: 'its process died over the answer' }
  return [{ table, mode: 'versioned', rows: [effectCells(later)] }]
}
