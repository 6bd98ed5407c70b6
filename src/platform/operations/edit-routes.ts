// Edits of dead letters over HTTP, for operators: write a new body, see what waits for an approval, decide about it.
import { z } from 'zod'
import { momentOf } from '../../kernel/inputs.ts'
import { pageQuery, pageShape } from '../../kernel/page.ts'
import { Refusal } from '../../kernel/refuse.ts'
import type { Route } from '../../kernel/route.ts'
import { get, post } from '../../kernel/route.ts'
import { id } from '../../kernel/shapes.ts'
import type { Editing } from './editing.ts'
import type { LetterEdit } from './letter-edits.ts'
import { EDIT_STATES, findEdit, listEdits } from './letter-edits.ts'
import { foundIn } from './letter-routes.ts'
import type { LetterPlace } from './letters.ts'
import { keyedId, reasonInput } from './redrive-views.ts'

export interface EditDesk {
  readonly editing: Editing
  readonly letterPlaces: readonly LetterPlace[]
  /** Whether a second person has to approve of an edit. */
  readonly editsNeedApproval: boolean
}

const letterParams = z.object({ id })
const params = z.object({ id: z.string().regex(/^[\w-]{1,100}$/, 'an id of an edit') })
const DecisionBody = z.strictObject({ reason: reasonInput })
const editFields = {
  id: z.string(),
  letter: z.string().describe('The dead letter.'),
  service: z.string(),
  state: z.enum(EDIT_STATES),
  fields: z.array(z.string()).describe('The fields of the body that differ.'),
  reason: z.string(),
  proposedBy: z.string(),
  proposedAt: z.string(),
  decidedBy: z.string().nullable(),
  decidedAt: z.string().nullable(),
  decidedReason: z.string().nullable(),
  made: z.string().nullable().describe('The id under which the new message is followed, as a dead letter is.'),
}
const EditAnswer = z.object(editFields)
const codes = ['EDIT_NOT_FOUND', 'EDIT_DECIDED', 'EDIT_OWN', 'DEAD_LETTER_DECIDED', 'DEAD_LETTER_HINDERED'] as const

export function editRoutes(desk: EditDesk): readonly Route[] {
  return [editRoute(desk), ...lookRoutes(desk.editing), ...decisionRoutes(desk.editing)]
}

function editRoute({ editing, letterPlaces, editsNeedApproval: needsApproval }: EditDesk): Route {
  return post('/v1/ops/dead-letters/:id/edit', {
    summary: 'Send a dead letter again with another body: a new message takes its place. The key stays as it is.',
    role: 'operator',
    params: letterParams,
    body: z.strictObject({
      body: z.unknown().describe('The whole new body, as the contract of the message says.'),
      reason: reasonInput,
    }),
    answers: {
      200: EditAnswer,
      202: EditAnswer.describe('Proposed: the settings say that a second person has to approve.'),
    },
    codes: [
      'DEAD_LETTER_NOT_FOUND',
      'DEAD_LETTER_DECIDED',
      'DEAD_LETTER_HINDERED',
      'EDIT_ID_TAKEN',
      'EDIT_KEY_LOCKED',
      'EDIT_UNCHANGED',
      'EDIT_OF_PROJECTION',
      'EDIT_TYPE_UNKNOWN',
    ],
    handle: async ({ params: { id: letterId }, body, principal, role, newId, idempotencyKey }) => {
      const letter = await foundIn(letterPlaces, letterId)
      const editId = idempotencyKey === undefined ? newId() : keyedId(principal, idempotencyKey)
      const edit = await editing.edit(letter, { ...body, id: editId, needsApproval }, { principal, role })
      return { status: edit.state === 'proposed' ? 202 : 200, body: editView(edit) }
    },
  })
}

function lookRoutes({ stores }: Editing): readonly Route[] {
  return [
    get('/v1/ops/dead-letters/edits', {
      summary: 'List edits of dead letters, the youngest first, without their bodies.',
      role: 'operator',
      query: z.object({
        state: z
          .enum([...EDIT_STATES, 'all'])
          .default('proposed')
          .describe('Those that wait for an approval, unless told.'),
        letter: id.optional(),
        ...pageQuery(['number', 'string']),
      }),
      answers: { 200: pageShape(EditAnswer) },
      handle: async ({ query: { state, letter, ...page } }) => {
        const { items, next } = await listEdits(stores, { letter, ...(state === 'all' ? {} : { state }) }, page)
        return { status: 200, body: { items: items.map(editView), next } }
      },
    }),
    get('/v1/ops/dead-letters/edits/:id', {
      summary: 'Look into an edit; its body is kept only while it waits for an approval.',
      role: 'operator',
      params,
      answers: { 200: z.object({ ...editFields, body: z.unknown() }) },
      codes: ['EDIT_NOT_FOUND'],
      handle: async ({ params: { id: editId } }) => {
        const found = await findEdit(stores, editId)
        if (found === undefined) throw new Refusal('EDIT_NOT_FOUND', { id: editId })
        const { body } = found.edit
        return { status: 200, body: { ...editView(found.edit), body: body === null ? null : JSON.parse(body) } }
      },
    }),
  ]
}

function decisionRoutes(editing: Editing): readonly Route[] {
  return [
    post('/v1/ops/dead-letters/edits/:id/approve', {
      summary: 'Approve of an edit that another person wrote: it is made at once.',
      role: 'operator',
      params,
      body: DecisionBody,
      answers: { 200: EditAnswer },
      codes: [...codes],
      handle: async ({ params: { id: editId }, body: { reason }, principal, role }) => {
        return { status: 200, body: editView(await editing.approve(editId, { principal, role }, reason)) }
      },
    }),
    post('/v1/ops/dead-letters/edits/:id/reject', {
      summary: 'Reject an edit, also one of your own: the dead letter stays as it is.',
      role: 'operator',
      params,
      body: DecisionBody,
      answers: { 200: EditAnswer },
      codes: ['EDIT_NOT_FOUND', 'EDIT_DECIDED'],
      handle: async ({ params: { id: editId }, body: { reason }, principal, role }) => {
        return { status: 200, body: editView(await editing.reject(editId, { principal, role }, reason)) }
      },
    }),
  ]
}

/** An edit as it is shown: never its body. */
export function editView(edit: LetterEdit) {
  const { id, letter, service, state, fields, reason, proposedBy, proposedAt } = edit
  const { decidedBy, decidedAt, decidedReason, made } = edit
  const proposal = { id, letter, service, state, fields, reason, proposedBy, proposedAt: momentOf(proposedAt) }
  return { ...proposal, decidedBy, decidedAt: decidedAt === null ? null : momentOf(decidedAt), decidedReason, made }
}
