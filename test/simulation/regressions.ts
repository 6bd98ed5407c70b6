// Every seed that ever failed for a fault of the product, with what was wrong: they run with every test. A seed is the
// same history as long as the simulator draws the same from it, so each fault has a test beside the source as well.

export interface Regression {
  readonly seed: number
  readonly cause: string
  /** A history over Kafka, whatever its seed stands for else. */
  readonly kafka?: true
}

const LOST_TRY =
  'a failed try of an effect whose row another process had changed met its version for ever: the request was stuck'
const STOOD_STILL =
  'a cursor that stood still was looked for a thousand times a second after another process had moved on with it'
const EARLY_LOOP =
  'a loop that began during the start mixed old cursors with new heads, and missed records that were there'

const QUIET_SOURCE =
  'a cursor that the alarm about a set back source had stopped was looked at a thousand times a second for good'

const READ_AND_LOST =
  'a reader that began again before records that Kafka had lost, and that its groups had read, waited for them for good'
const FIRST_LOST = 'a record below all that was met first was taken for a repetition when it was shipped again'

const HANDED_ON =
  'after a set-back a group that still had to read what was before got what came since from memory, and then again'

export const REGRESSIONS: readonly Regression[] = [
  ...[9, 87, 122, 134, 203].map((seed) => ({ seed, cause: LOST_TRY })),
  { seed: 37, cause: LOST_TRY },
  { seed: 31, cause: STOOD_STILL },
  ...[63, 131, 182].map((seed) => ({ seed, cause: STOOD_STILL })),
  { seed: 129, cause: EARLY_LOOP },
  ...[45, 105, 125, 205].map((seed) => ({ seed, cause: QUIET_SOURCE })),
  { seed: 43_045, cause: HANDED_ON },
  ...[47, 60].map((seed) => ({ seed, cause: READ_AND_LOST, kafka: true as const })),
  { seed: 45, cause: FIRST_LOST, kafka: true },
]
