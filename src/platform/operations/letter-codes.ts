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
  EDIT_NOT_FOUND: {
    status: 404,
    title: 'There is no such edit. GET /v1/ops/dead-letters/edits lists those that wait for an approval.',
  },
  EDIT_DECIDED: { status: 409, title: 'Somebody decided about this edit already, and nothing was done. Look at it.' },
  EDIT_ID_TAKEN: {
    status: 409,
    title: 'This Idempotency-Key was used for another edit. Take a new key, or repeat that request unchanged.',
  },
  EDIT_OWN: { status: 403, title: 'A second person has to approve of an edit: not the one who wrote it.' },
  EDIT_KEY_LOCKED: {
    status: 422,
    title: 'The key of a message can not be edited, since its order is kept by it. Discard the letter instead.',
  },
  EDIT_UNCHANGED: { status: 422, title: 'The body is the one that died. Redrive the letter instead of editing it.' },
  EDIT_OF_PROJECTION: {
    status: 409,
    title: 'A projection is what the log says, so its messages can not be edited. Mend its fold and rebuild it.',
  },
  EDIT_TYPE_UNKNOWN: {
    status: 409,
    title: 'No contract of this program knows the type of the message, so nobody can check a body of it.',
  },
  CAUSE_NOT_FOUND: {
    status: 404,
    title: 'No letter of this cause waits for a decision. GET /v1/ops/dead-letters/causes lists the causes.',
  },
  REDRIVE_NOT_FOUND: { status: 404, title: 'Nobody asked for a job with this id. GET /v1/ops/redrives lists them.' },
  REDRIVE_ID_TAKEN: {
    status: 409,
    title: 'A job with this id does something else. Take a new id, or repeat that request unchanged.',
  },
  REDRIVE_DONE: { status: 409, title: 'The job is done, so there is nothing to stop or resume. Ask for a new one.' },
  REDRIVE_SELECTION: {
    status: 422,
    title: 'Say which letters by exactly one of letters, cause, filter (with at least one field) and all.',
  },
  REDRIVE_TOO_LARGE: {
    status: 422,
    title: 'More letters are meant than one job takes. Narrow the filter, for example by group or time.',
  },
} as const satisfies CodeTable
