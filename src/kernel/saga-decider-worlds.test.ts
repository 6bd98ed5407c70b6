// The decider against executors that answer late, refuse, fall silent or let messages die, against callers who stop it,
// and against a person who does whatever comes to his mind, in any order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Fate, World } from '../testing/saga-world.ts'
import { checkEnd, disturbances, interventions, possibilities, untilRest, worldOf } from '../testing/saga-world.ts'
import type { Undoable } from '../testing/toy-saga.ts'

const fate = fc.constantFrom<Fate>('does', 'does', 'refuses', 'silent', 'dies')
const fates = fc.array(fate, { minLength: 3, maxLength: 3 })
const undoable = fc.oneof(fc.constant<Undoable>([true, true, true]), fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()))

/** Runs worlds through choices, and lets each come to rest. @returns how they ended. */
function endsOf(choicesOf: (world: World) => readonly (() => void)[], maxLength: number): string[] {
  const ends = new Set<string>()
  const choices = fc.array(fc.nat(1000), { maxLength })
  fc.assert(
    fc.property(undoable, fates, choices, (undoable, fates, choices) => {
      const world = worldOf(undoable, fates)
      for (const choice of choices) {
        const possible = choicesOf(world)
        possible[choice % Math.max(1, possible.length)]?.()
      }
      untilRest(world)
      checkEnd(world)
      ends.add(world.saga.skipped === undefined ? world.saga.status : `${world.saga.status}, with something skipped`)
    }),
    { numRuns: 5000 },
  )
  return [...ends].toSorted()
}

const ENDS = ['failed', 'given-up', 'needs-person', 'overdue', 'succeeded']

test('whatever answers, dies, stops or is late: it ends or is flagged, and what it claims is true', () => {
  const ends = endsOf((world) => [...possibilities(world), ...disturbances(world)], 40)
  assert.deepEqual(ends, ENDS)
})

test('whatever a person does, too: it ends or is flagged, and what it claims is true but for what he skipped', () => {
  const ends = endsOf((world) => {
    // Three times as likely as what a person does, or no saga would ever get far.
    const usual = [...possibilities(world), ...disturbances(world)]
    return [...usual, ...usual, ...usual, ...interventions(world)]
  }, 60)
  assert.deepEqual(ends, ENDS.flatMap((end) => [end, `${end}, with something skipped`]).toSorted())
})
