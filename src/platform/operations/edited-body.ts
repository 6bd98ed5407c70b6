// A new body for a dead letter: checked against its message's schema, with the key locked, and compared with the old.
import { isDeepStrictEqual } from 'node:util'
import { keyOf } from '../../kernel/message.ts'
import { Refusal, refuse } from '../../kernel/refuse.ts'
import { validated } from '../http/validation.ts'
import type { RecordBody } from '../log/record.ts'
import { positionOf } from '../log/record.ts'
import type { DeadLetter } from '../parking/dead-letter.ts'
import type { Registry } from '../runtime/registry.ts'

/** Fields that are named as changed; more than these is another message. */
const MAX_FIELDS = 50

export interface EditedBody {
  readonly data: unknown
  /** The fields that differ, by their paths; never what they hold. */
  readonly fields: readonly string[]
}

/**
 * @throws {Problem} BODY_INVALID with what is wrong, by field.
 * @throws {Refusal} EDIT_TYPE_UNKNOWN, EDIT_OF_PROJECTION, EDIT_KEY_LOCKED, EDIT_UNCHANGED
 */
export function editedBody(registry: Registry, letter: DeadLetter, body: unknown): EditedBody {
  const info = registry.messages.get(letter.type)
  if (info === undefined) throw new Refusal('EDIT_TYPE_UNKNOWN', { type: letter.type })
  const group = registry.groups.find(({ name }) => name === letter.group)
  refuse(group?.projection !== undefined, 'EDIT_OF_PROJECTION', { group: letter.group })
  // A field that the contract does not know would be dropped quietly.
  const data = validated(info.schema.strict(), body, 'BODY_INVALID')
  const old = JSON.parse(letter.record) as RecordBody
  refuse(keyOf(info, data) !== old.key, 'EDIT_KEY_LOCKED', { field: info.key })
  const fields = changedFields(old.data, throughJson(data))
  refuse(fields.length === 0, 'EDIT_UNCHANGED')
  return { data, fields: fields.slice(0, MAX_FIELDS) }
}

/** The record of the new message: all but the body stays, and its cause is the record that died. */
export function editedRecord(letter: DeadLetter, data: unknown): string {
  const old = JSON.parse(letter.record) as RecordBody
  return JSON.stringify({ ...old, data, cause: positionOf(letter) })
}

function changedFields(before: unknown, after: unknown, path = ''): string[] {
  if (isDeepStrictEqual(before, after)) return []
  if (!isPlain(before) || !isPlain(after)) return [path === '' ? 'body' : path]
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].flatMap((name) => changedFields(before[name], after[name], path === '' ? name : `${path}.${name}`))
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

/** What the schema leaves undefined is not there in the record. */
function throughJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}
