// Where a group would stand if its offsets were set, partition by partition, and whether it may be.
import type { CodeTable } from '../../kernel/refuse.ts'
import { refuse, Refusal } from '../../kernel/refuse.ts'
import { EXTERNAL_SOURCE } from '../../kernel/message.ts'
import type { Head, Log } from '../ports.ts'
import { placeName } from '../rebuild/log-reader.ts'
import { endOf } from '../runtime/channels.ts'
import type { GroupPart, GroupStanding } from './read-groups.ts'

export const offsetCodes = {
  OFFSETS_ONLY_FORWARDS: {
    status: 409,
    title:
      'This group would handle records twice: only a projection may be set back. Name a later place, or one partition.',
  },
  OFFSETS_BEYOND_END: {
    status: 409,
    title: 'So many records are not there yet. Name a place up to the end of the log.',
  },
  OFFSETS_TIME_UNKNOWN: {
    status: 409,
    title: 'This log is read over Kafka, where no time is looked up. Name a sequence, which `lonja groups` shows.',
  },
  OFFSETS_PARTITION_NEEDED: {
    status: 422,
    title:
      'A sequence belongs to one partition of one source. Name topic, partition and, where there are several, source.',
  },
} as const satisfies CodeTable

/** Where to: the lowest record that is kept, one number, or the first record of a time. */
export type OffsetTarget =
  | { readonly to: 'earliest' }
  | { readonly to: 'sequence'; readonly sequence: number }
  | { readonly to: 'time'; readonly time: number }

export interface OffsetScope {
  readonly source?: string | undefined
  readonly topic?: string | undefined
  readonly partition?: number | undefined
}

/** One partition of one source, as it is and as it would be. */
export interface OffsetMove {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to: number
  /** Of the record at `to`: a cursor that claims another one would be taken back. */
  readonly generation: number
  readonly incarnation: number
  readonly first: number
}

/** How it is done: records are left out, or everything is made anew from the log. */
export interface OffsetPlan {
  readonly through: 'nothing' | 'skip' | 'rebuild'
  readonly moves: readonly OffsetMove[]
}

export function partsIn({ parts }: GroupStanding, { source, topic, partition }: OffsetScope): readonly GroupPart[] {
  return parts.filter(
    (part) =>
      (source === undefined || part.source === source) &&
      (topic === undefined || part.topic === topic) &&
      (partition === undefined || part.partition === partition),
  )
}

/** @throws {Refusal} a code of `offsetCodes` */
export async function planOffsets(
  { group, parts }: { readonly group: GroupStanding['group']; readonly parts: readonly GroupPart[] },
  target: OffsetTarget,
  logOf: (source: string) => Log,
): Promise<OffsetPlan> {
  refuse(target.to === 'sequence' && parts.length !== 1, 'OFFSETS_PARTITION_NEEDED', { partitions: parts.length })
  const moves: OffsetMove[] = []
  for (const [source, own] of Map.groupBy(parts, (part) => part.source)) {
    const log = logOf(source)
    const heads = new Map((await log.heads(source)).map((head) => [placeName(head), head]))
    for (const part of own) {
      const head = heads.get(placeName(part))
      if (head !== undefined) moves.push(await moveOf(part, { head, log, target }))
    }
  }
  const moved = moves.filter(({ from, to }) => from !== to)
  const back = moved.filter((move) => move.to < move.from && !beginsAgain(move, parts))
  if (back.length > 0 && group.projection !== undefined) return { through: 'rebuild', moves: moved }
  const [first] = back
  if (first !== undefined) {
    const { topic, partition, from, to } = first
    throw new Refusal('OFFSETS_ONLY_FORWARDS', { topic, partition, from, to, partitions: back.length })
  }
  return { through: moved.length === 0 ? 'nothing' : 'skip', moves: moved }
}

interface Looking {
  readonly head: Head
  readonly log: Log
  readonly target: OffsetTarget
}

async function moveOf({ source, topic, partition, next }: GroupPart, looking: Looking): Promise<OffsetMove> {
  const { head, log } = looking
  const to = await sequenceOf(looking)
  const end = endOf(head)
  refuse(to > end, 'OFFSETS_BEYOND_END', { topic, partition, end })
  const [row] =
    log.isElsewhere === true || to >= end ? [] : await log.readLog(source, [{ topic, partition, from: to }], 1)
  const { generation, incarnation } = row ?? head
  return { source, topic, partition, from: next, to, generation, incarnation, first: head.first }
}

async function sequenceOf({ head, log, target }: Looking): Promise<number> {
  if (target.to === 'earliest') return head.first
  if (target.to === 'sequence') return target.sequence
  refuse(log.isElsewhere === true, 'OFFSETS_TIME_UNKNOWN', { source: head.source })
  return firstSince(log, head, target.time)
}

/** Times never fall along a partition, so halving finds the place: some twenty rows are read of a million. */
async function firstSince(log: Log, { source, topic, partition, first, next }: Head, time: number): Promise<number> {
  let low = first
  let high = next
  while (low < high) {
    const from = Math.floor((low + high) / 2)
    const [row] = await log.readLog(source, [{ topic, partition, from }], 1)
    if (row === undefined) high = from
    else if (row.appendedAt >= time) high = Math.min(from, Math.max(first, row.first))
    else low = row.last + 1
  }
  return low
}

/** A topic of others that ends before what was read of it was made anew: what lies there was never handled. */
function beginsAgain({ source, topic, partition, from }: OffsetMove, parts: readonly GroupPart[]): boolean {
  if (source !== EXTERNAL_SOURCE) return false
  return parts.some((part) => part.topic === topic && part.partition === partition && part.head < from)
}
