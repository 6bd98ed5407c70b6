// Fires the timers of a batch: those that nothing unread could make void; one that fails goes to the back of the queue.
import { UnknownMessage } from '../../kernel/fault.ts'
import type { Context } from '../../kernel/handler.ts'
import type { Transaction } from '../ports.ts'
import { timerName } from '../takeover/item.ts'
import { murmur2 } from '../log/murmur2.ts'
import type { Channel, Channels, Cursor } from './channels.ts'
import { settle } from './barriers.ts'
import type { Outbox, TimerRow, TrailNote } from './outbox.ts'
import type { RecordHandler } from './record-handler.ts'
import type { FailedTimer, RoundContext } from './round-context.ts'
import type { WorkingSet } from './working-set.ts'

const TIMER_RETRY_MS = 10_000
/** How far the clocks of two databases may be apart. */
const CLOCKS_APART_MS = 1000

export interface TimerParts {
  readonly context: RoundContext
  readonly documents: WorkingSet
  readonly handler: RecordHandler
  readonly outbox: Outbox
  readonly system: Context
}

/** How far a batch is: its own records and positions are not in memory before its commit. */
export interface Progress {
  readonly positionOf: (cursor: Cursor) => number
  readonly fresh: Outbox['fresh']
}

/** A timer fires only when its group has read all that could have answered before it came due. */
export function mayFire(channels: Channels, timer: TimerRow, progress?: Progress): boolean {
  const { service, partition, due } = timer
  const hash = channels.isScaled ? murmur2(aboutOf(timer)) & 0x7fffffff : undefined
  return channels.all.every((channel) => {
    if (channel.partition !== (hash === undefined ? partition : hash % channel.partitions)) return true
    const { announced } = channel
    // Before the barriers are passed the answer may lie in a partition that was the key's once.
    if (channel.generation > 1 && isCrossing(channel, service)) return false
    if (announced !== undefined && !isReadUpTo(channel, announced, { service, due })) return false
    const end = channel.next + (progress?.fresh.get(channel)?.records.length ?? 0)
    return channel.cursors.every((cursor) => {
      if (cursor.group.name !== service) return true
      const position = progress?.positionOf(cursor) ?? cursor.next
      // Of a log elsewhere only what is new has arrived since the start: it may end before what a run before has read.
      return announced === undefined && !channel.hasHoles ? position === end : position >= end
    })
  })
}

/** A saga's timer is named by its key; a command's by that of the command, and a number. */
function aboutOf({ command, key }: TimerRow): string {
  return command === undefined ? key : key.slice(0, key.lastIndexOf(' '))
}

function isCrossing({ generation, cursors }: Channel, service: string): boolean {
  return cursors.some(({ group, crossing }) => group.name === service && !settle(crossing, generation))
}

/** Over Kafka the head is hearsay: it has to be from after the due time, by two clocks that may differ a little. */
function isReadUpTo(
  { cursors }: Channel,
  { next, asOf }: NonNullable<Channel['announced']>,
  { service, due }: Pick<TimerRow, 'service' | 'due'>,
): boolean {
  const own = cursors.filter(({ group }) => group.name === service)
  return own.every((cursor) => cursor.next >= next && asOf >= due + CLOCKS_APART_MS)
}

export class RoundTimers {
  readonly failed: FailedTimer[] = []
  readonly fired: TimerRow[] = []
  readonly #parts: TimerParts

  constructor(parts: TimerParts) {
    this.#parts = parts
  }

  async fire(timers: readonly TimerRow[], transaction: Transaction): Promise<void> {
    const { context, documents, handler, outbox, system } = this.#parts
    const { registry, now, hand } = context
    const due = timers.map((timer) => {
      const reaction =
        timer.command === undefined ? registry.sagaTimers.get(timer.name) : registry.commands.get(timer.command.type)
      return { timer, reaction, data: timer.command === undefined ? timer.key : timer.command.data }
    })
    for (const { timer, reaction, data } of due) {
      if (reaction === undefined) continue
      this.#takeInHand(timer)
      handler.wantFor(reaction, data)
    }
    hand.down()
    await documents.load(transaction)
    for (const { timer, reaction, data } of due) {
      this.fired.push(timer)
      if (reaction === undefined) {
        this.#wait(timer)
        continue
      }
      this.#takeInHand(timer)
      hand.handler(reaction)
      try {
        documents.begin(reaction.service)
        const outcomes = reaction.handle(data, documents, system)
        outbox.take(outcomes, { ...timer, cause: `timer ${timer.name}`, traceparent: undefined })
        documents.keep()
        if (outcomes.length === 0) continue
        const note: TrailNote = { at: now, service: timer.service, what: 'timer', name: timer.name, detail: 'came due' }
        outbox.note(timer.correlation, note)
      } catch (error) {
        this.failed.push({ timer, error })
        // A failing timer goes to the back of the queue and holds up nobody.
        outbox.timers.push({ ...timer, due: now + TIMER_RETRY_MS })
      }
    }
    hand.down()
  }

  /** A newer program beside this one has set it, and fires it as soon as it works on the partition. */
  #wait(timer: TimerRow): void {
    const error = new UnknownMessage(`${timer.service} has never heard of the timer ${timer.name}.`)
    this.failed.push({ timer, error })
    this.#parts.outbox.timers.push({ ...timer, due: this.#parts.context.now + TIMER_RETRY_MS })
  }

  #takeInHand(timer: TimerRow): void {
    const { hand, channels } = this.#parts.context
    const { partition, due: at } = timer
    hand.named('timer', { name: timerName(timer), at, partitions: channels.workPartitions, partition })
  }
}
