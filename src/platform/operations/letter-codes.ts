// What the routes about dead letters refuse with.
import type { CodeTable } from '../../kernel/refuse.ts'

export const letterCodes = {
  DEAD_LETTER_NOT_FOUND: { status: 404, title: 'There is no such dead letter. GET /v1/ops/dead-letters lists them.' },
  DEAD_LETTER_DECIDED: {
    status: 409,
    title: 'Somebody decided about this dead letter already, and nothing was done. Look at its status and reason.',
  },
  DEAD_LETTER_HINDERED: {
    status: 409,
    title: 'An older dead letter of the same key has to go first. Redrive or discard that one before.',
  },
  PARKED_KEY_NOT_FOUND: {
    status: 404,
    title: 'Nothing of this key is parked in this group any more. GET /v1/ops/parked lists what is.',
  },
} as const satisfies CodeTable
