// What messages that were given up explain: their effect is missing as somebody decided, which is no fault of the data.
import type { Unhandled } from '../../platform/parking/stored-parking.ts'
import type { Wrong } from './confirm.ts'

const FATES: Readonly<Record<Exclude<Unhandled['state'], 'waiting'>, (what: string) => string>> = {
  dead: (what) => `${what} is a dead letter, about which a person has to decide.`,
  discarded: (what) => `${what} was discarded by a person.`,
  edited: (what) => `${what} was edited by a person.`,
  archived: (what) => `${what} was skipped, and its time is over.`,
}

/** The messages and what became of each, a sentence each. */
export function fatesOf(letters: readonly Unhandled[]): string {
  const told = letters.map(({ type, group, state }) => {
    return state === 'waiting' ? `${type} in ${group} waits.` : FATES[state](`${type} in ${group}`)
  })
  return [...new Set(told)].join(' ')
}

/**
 * Names what was given up with what is wrong, where the one may be the cause of the other; everything else stays wrong.
 *
 * @param explains whether a message of this group that was not handled may have led to this kind of problem
 */
export function explained(
  wrongs: readonly Wrong[],
  letters: readonly Unhandled[],
  explains: (group: string, check: string) => boolean,
): readonly Wrong[] {
  return wrongs.map((wrong): Wrong => {
    const causes = letters.filter(({ group }) => explains(group, wrong.check))
    if (causes.length === 0) return wrong
    return { check: wrong.check, message: `${fatesOf(causes)} ${wrong.message}`, severity: 'person' }
  })
}
