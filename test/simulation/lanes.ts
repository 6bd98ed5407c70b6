// What a commit moved past, and what has to be handled in order: the messages of one key in one log.
import { MESSAGE_DIED } from '../../src/kernel/message-died.ts'
import type { Aside } from './parked-ledger.ts'
import { GROUP_TYPES } from './wiring.ts'

/** Where a cursor stood, and stands. */
export interface Moved {
  readonly before: number
  readonly after: number
}

/** Every record that a cursor of a group with handlers went past. */
export function passedBy(moved: ReadonlyMap<string, Moved>): Aside[] {
  return [...moved].flatMap(([name, { before, after }]) => {
    const cut = name.indexOf(' ')
    const [group, place] = [name.slice(0, cut), name.slice(cut + 1)]
    if (!GROUP_TYPES.has(group)) return []
    return Array.from({ length: after - before }, (_, index) => ({ group, place, sequence: before + index }))
  })
}

/** What is handled in order: the messages of one key in one log. News of deaths wait for nobody, and come of many. */
export function laneOf({ group, log, type, key }: Lane): string {
  return type === MESSAGE_DIED ? `${group} news of deaths ${key}` : `${group} ${log} ${key}`
}

export interface Lane {
  readonly group: string
  readonly log: string
  readonly type: string
  readonly key: string
}
