// What follows when a topic was scaled: leases and the watchdog go by the new number of partitions too.
import type { Clock, Membership } from '../ports.ts'
import type { Hand } from '../takeover/hand.ts'
import type { Channels } from './channels.ts'
import type { Crossings } from './crossings.ts'
import type { HeadWatch } from './head-watch.ts'
import type { HeldPartitions } from './held-partitions.ts'
import type { TimerRow } from './outbox.ts'
import type { TimerWatch } from './timer-watch.ts'

/** How long the start waits for a share of the partitions. */
const JOIN_PATIENCE_MS = 1000

/** After a kill -9 the dead process's lease may last some seconds: commands and reads need not wait. */
export function join(membership: Membership, clock: Clock): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const cancel = clock.after(JOIN_PATIENCE_MS, resolve)
  membership.start().then(resolve, reject)
  return promise.finally(cancel)
}

export interface Growing {
  readonly channels: Channels
  readonly membership: Membership
  readonly hand: Hand
  readonly held: HeldPartitions
}

/** Before the cursors are read: a lease that is held from here on is of a partition whose cursors are known then. */
export async function grow({ channels, membership, hand, held }: Growing): Promise<void> {
  for (const partitions of channels.counts) await membership.share?.(partitions)
  hand.watch(channels.all.flatMap(({ cursors }) => cursors))
  channels.hasGrown = false
  held.refresh()
}

export interface TimersDue {
  readonly timers: TimerWatch
  readonly heads: HeadWatch
  readonly channels: Channels
  readonly crossings: Crossings
}

/** The timers that are due, with heads taken after their time: what lies below must be read before one may fire. */
export async function dueTimers(
  { timers, heads, channels, crossings }: TimersDue,
  now: number,
): Promise<readonly TimerRow[]> {
  const due = await timers.due(now)
  if (due.length === 0) return due
  await heads.readAll()
  // After the heads: the partitions of a key may be other processes' since a scaling.
  if (channels.isScaled)
    for (const service of new Set(due.map((timer) => timer.service))) await crossings.readOthers(service)
  return due
}
