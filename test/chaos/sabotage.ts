// Preloaded into the shipped process (`node --import sabotage.ts?orders=…`): does to it what the harness orders.
import { systemClock } from '../../src/platform/system.ts'
import { lay, watchCommits, type Ambush } from './failpoints.ts'

export interface Sabotage {
  /** Where the process is struck. */
  readonly ambush?: Ambush
  /** How far its clock port is ahead of the machine's clock; behind where it is negative. */
  readonly clockOffsetMs?: number
}

function obey({ ambush, clockOffsetMs }: Sabotage): void {
  if (ambush !== undefined) lay(ambush)
  // The port's own object, so that every part of the program sees it: a jump as when somebody sets the clock.
  if (clockOffsetMs !== undefined) Object.assign(systemClock, { now: () => Date.now() + clockOffsetMs })
}

watchCommits()
obey(JSON.parse(new URL(import.meta.url).searchParams.get('orders') ?? '{}') as Sabotage)
process.on('message', (orders) => obey(orders as Sabotage))
// The line to the harness keeps no process alive that has nothing left to do.
process.channel?.unref()
