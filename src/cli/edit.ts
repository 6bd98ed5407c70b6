// `lonja edit ID`, `lonja edits` and the decision about one: another body for a dead letter, made or proposed.
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { editView } from '../platform/operations/edit-routes.ts'
import { EDIT_STATES } from '../platform/operations/letter-edits.ts'
import type { letterView } from '../platform/operations/letter-views.ts'
import { askServer, bodyOf, type Api } from './api.ts'
import {
  CommandError,
  EXIT,
  UsageError,
  countFlag,
  isSet,
  onlyWord,
  reasonFlag,
  textFlag,
  type Call,
} from './command.ts'
import { oneOfFlag } from './dead-letters.ts'
import { tableOf } from './terminal.ts'

type Edit = ReturnType<typeof editView>
type Looked = Edit & { readonly body: unknown }

const LETTERS = '/v1/ops/dead-letters'
const EDITS = `${LETTERS}/edits`
const USUAL_LIMIT = 50

export async function edit(call: Call): Promise<number> {
  const letter = `${LETTERS}/${encodeURIComponent(onlyWord(call, 'ID').toLowerCase())}`
  const reason = reasonFlag(call)
  const bodyFor = await newBody(call)
  return askServer(call.settings, async (api) => {
    const made = await api.post(
      `${letter}/edit`,
      { body: await bodyFor(api, letter), reason },
      { idempotencyKey: randomUUID() },
    )
    return tellEdit(call, bodyOf<Edit>(made))
  })
}

export async function edits(call: Call): Promise<number> {
  const [id, ...others] = call.words
  if (others.length > 0) throw new UsageError(`${others.join(' ')} is too much: one EDIT at most.`)
  const query = listQuery(call)
  return askServer(call.settings, async (api) => {
    const { terminal } = call
    if (id === undefined) {
      const page = bodyOf<{ readonly items: readonly Edit[]; readonly next: string | null }>(
        await api.get(`${EDITS}?${query.toString()}`),
      )
      if (isSet(call, 'json')) terminal.json(page)
      else for (const line of listLines(page.items, page.next !== null)) terminal.line(line)
      return EXIT.ok
    }
    const looked = bodyOf<Looked>(await api.get(`${EDITS}/${encodeURIComponent(id)}`))
    if (isSet(call, 'json')) terminal.json(looked)
    else for (const line of lookLines(looked)) terminal.line(line)
    return EXIT.ok
  })
}

export async function decideEdit(call: Call, decision: 'approve' | 'reject'): Promise<number> {
  const path = `${EDITS}/${encodeURIComponent(onlyWord(call, 'EDIT'))}/${decision}`
  const reason = reasonFlag(call)
  return askServer(call.settings, async (api) => {
    return tellEdit(call, bodyOf<Edit>(await api.post(path, { reason }, { idempotencyKey: randomUUID() })))
  })
}

type BodyFor = (api: Api, letter: string) => Promise<unknown>

/** What is written down is read before anything is asked. @throws {UsageError} where it is no JSON */
async function newBody(call: Call): Promise<BodyFor> {
  const [file, fields] = [textFlag(call, 'body'), textFlag(call, 'fields')]
  if ((file === undefined) === (fields === undefined)) {
    throw new UsageError(
      'Say what the message should hold: --body FILE with all of it, or --fields JSON with what differs.',
    )
  }
  if (file !== undefined) {
    const body = jsonIn(await textIn(file), file)
    return () => Promise.resolve(body)
  }
  const changed = jsonIn(fields ?? '', '--fields')
  if (!isPlain(changed)) throw new UsageError('--fields is no JSON object: write it like \'{"reference":"A-7"}\'.')
  return async (api, letter) => {
    const { record } = bodyOf<ReturnType<typeof letterView>>(await api.get(letter))
    return { ...(isPlain(record.value) ? record.value : {}), ...changed }
  }
}

/** @throws {CommandError} with what is wrong with the file */
function textIn(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(
      `${file} can't be read (${error.code ?? error.message}): name a file with the new body as JSON.`,
    )
  })
}

/** @throws {UsageError} that shows nothing of the text, since it may tell of persons */
function jsonIn(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`${where} holds no JSON: quotes around names and texts, no comma at the end.`)
  }
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function listQuery(call: Call): URLSearchParams {
  const state = oneOfFlag(call, 'state', [...EDIT_STATES, 'all'])
  const letter = textFlag(call, 'letter')
  const limit = countFlag(call, 'limit')
  return new URLSearchParams({
    ...(state === undefined ? {} : { state }),
    ...(letter === undefined ? {} : { letter: letter.toLowerCase() }),
    limit: String(limit ?? USUAL_LIMIT),
  })
}

function tellEdit(call: Call, edited: Edit): number {
  if (isSet(call, 'json')) call.terminal.json(edited)
  else call.terminal.line(sentenceOf(edited))
  return EXIT.ok
}

function sentenceOf({ id, letter, state, fields, made }: Edit): string {
  if (state === 'rejected') return `The edit ${id} is rejected; dead letter ${letter} stays as it is.`
  if (state === 'proposed') {
    return `Proposed: a second person decides with \`lonja edit approve ${id}\` or \`lonja edit reject ${id}\`.`
  }
  return `A message with another ${fields.join(', ')} takes the place of ${letter}: \`lonja dead-letter ${made}\`.`
}

function listLines(items: readonly Edit[], more: boolean): readonly string[] {
  if (items.length === 0) return ['No such edit. Without --state only those are told that wait for an approval.']
  const head = ['EDIT', 'DEAD LETTER', 'STATE', 'FIELDS', 'BY', 'AT', 'REASON']
  const rows = items.map(({ id, letter, state, fields, proposedBy, proposedAt, reason }) => {
    return [id, letter, state, fields.join(','), proposedBy, proposedAt, reason]
  })
  return [...tableOf([head, ...rows]), ...(more ? ['There are more: write --limit N for a longer list.'] : [])]
}

function lookLines({ body, ...edited }: Looked): readonly string[] {
  const { id, state, letter, fields, reason, proposedBy, proposedAt, decidedBy, decidedAt, decidedReason, made } =
    edited
  return [
    `Edit ${id}: ${state}`,
    ...tableOf([
      ['  dead letter', letter],
      ['  fields', fields.join(', ')],
      ['  proposed', `by ${proposedBy} at ${proposedAt}: ${reason}`],
      ...(decidedBy === null ? [] : [['  decided', `by ${decidedBy} at ${decidedAt}: ${decidedReason}`]]),
      ...(made === null ? [] : [['  became', made]]),
    ]),
    ...(body === null ? [] : JSON.stringify(body, undefined, 2).split('\n')),
  ]
}
