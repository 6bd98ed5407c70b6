// Pausing and resuming a group in a test, as an operator's request does it.
import type { PauseAct, PauseScope } from '../platform/operations/pause-state.ts'
import { askOfGroup } from '../platform/operations/pause-state.ts'
import type { Lonja } from '../platform/runtime/lonja.ts'

/** @param group such as `ledger`; a part of it by its scope */
export function asking(lonja: Lonja, act: PauseAct, { group, ...scope }: { group: string } & Partial<PauseScope>) {
  const { topic = null, partition = null } = scope
  return lonja.submit({
    service: 'operations',
    command: askOfGroup(act, { group, topic, partition, reason: 'to look at it' }),
    reply: () => ({ status: 200 }),
    principal: 'olga',
    role: 'operator',
    scope: undefined,
    bodyHash: '',
    traceparent: undefined,
    deed: { action: `group.${act}`, target: group, reason: 'to look at it' },
  })
}
