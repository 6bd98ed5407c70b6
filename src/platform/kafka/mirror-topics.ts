// The topics on which other tools see what is parked and what is dead: copies, the truth is in the databases.
import { topicNamed, type Topic } from '../../kernel/message.ts'
import type { Group } from '../runtime/registry.ts'

export const MIRROR_KINDS = ['retry', 'dlq'] as const
export type MirrorKind = (typeof MIRROR_KINDS)[number]

/** Says that a record is a copy of ours; one without it in a retry topic was put there by a person. */
export const MIRROR_HEADER = 'lonja-mirror'

/** Parked messages are of use while they are tried; the dead as long as people look for them. */
const KEPT = { retry: '7 d', dlq: '90 d' } as const

export function mirrorTopicName(topic: string, kind: MirrorKind): string {
  return `${topic}.${kind}`
}

/** The topics that groups hear: only what somebody reads can be parked. */
export function mirroredTopics(groups: readonly Pick<Group, 'topics'>[]): readonly string[] {
  return [...new Set(groups.flatMap(({ topics }) => topics))].toSorted()
}

/** Two for each topic that is heard, of one partition: few records, and in the order in which things happened. */
export function mirrorTopics(groups: readonly Pick<Group, 'topics'>[]): readonly Topic[] {
  return mirroredTopics(groups).flatMap((name) =>
    MIRROR_KINDS.map((kind): Topic => {
      const { service, kind: of } = topicNamed(name)
      const kept = { keep: KEPT[kind], compression: 'lz4' } as const
      return { name: mirrorTopicName(name, kind), service, kind: of, partitions: 1, ...kept }
    }),
  )
}
