// `lonja dead-letters`, `lonja dead-letter ID`, `lonja parked`: what is stuck, from the database or from the server.
import { LETTER_STATUSES } from '../platform/operations/letter-filter.ts'
import type { causeView, letterView, listedView } from '../platform/operations/letter-views.ts'
import type { keyView } from '../platform/operations/parked-routes.ts'
import { countFlag, EXIT, isSet, noWords, onlyWord, textFlag, UsageError, type Call } from './command.ts'
import { readLetters, type LetterReader } from './letter-reader.ts'
import { tableOf } from './terminal.ts'

type Listed = ReturnType<typeof listedView>
type Cause = ReturnType<typeof causeView>
type Looked = ReturnType<typeof letterView>
type Parked = ReturnType<typeof keyView>

const DEFAULT_LIMIT = 50
const MAX_MESSAGE_WIDTH = 60
const DAY_AND_TIME = 'YYYY-MM-DDThh:mm:ss'.length

export async function deadLetters(call: Call): Promise<number> {
  noWords(call)
  const status = oneOfFlag(call, 'status', [...LETTER_STATUSES, 'all'])
  const query = { ...filterFlags(call), ...(status === undefined ? {} : { status }) }
  if (!isSet(call, 'list')) return told(call, (reader) => reader.causes(query), causeLines)
  return told(call, (reader) => reader.letters({ ...query, limit: limitOf(call) }), letterLines)
}

export async function deadLetter(call: Call): Promise<number> {
  const id = onlyWord(call, 'ID').toLowerCase()
  return told(call, (reader) => reader.letter(id), lookLines)
}

export async function parked(call: Call): Promise<number> {
  noWords(call)
  const state = oneOfFlag(call, 'state', ['retrying', 'held'])
  const query = { ...filterFlags(call), ...(state === undefined ? {} : { state }), limit: limitOf(call) }
  return told(call, (reader) => reader.parked(query), parkedLines)
}

async function told<Answer>(
  call: Call,
  read: (reader: LetterReader) => Promise<Answer>,
  linesOf: (answer: Answer) => readonly string[],
): Promise<number> {
  const answer = await readLetters(call.settings, read)
  if (isSet(call, 'json')) call.terminal.json(answer)
  else for (const line of linesOf(answer)) call.terminal.line(line)
  return EXIT.ok
}

/** The filter that the flags make; `--of` is the key, since `--key` is that of the API. */
export function filterFlags(call: Call): Readonly<Record<string, string>> {
  const named = { group: 'group', topic: 'topic', type: 'type', code: 'code', key: 'of' }
  return Object.fromEntries(
    Object.entries(named).flatMap(([field, flag]) => {
      const value = textFlag(call, flag)
      return value === undefined ? [] : [[field, value]]
    }),
  )
}

function limitOf(call: Call): string {
  return String(countFlag(call, 'limit') ?? DEFAULT_LIMIT)
}

/** A flag that is one of these words. @throws {UsageError} */
export function oneOfFlag(call: Call, name: string, words: readonly string[]): string | undefined {
  const word = textFlag(call, name)
  if (word === undefined || words.includes(word)) return word
  throw new UsageError(`--${name} is "${word}": write one of ${words.join(', ')}.`)
}

function causeLines({ items }: { readonly items: readonly Cause[] }): readonly string[] {
  if (items.length === 0) return ['No dead letter waits for a decision.']
  const head = ['CAUSE', 'LETTERS', 'KEYS', 'GROUP', 'HANDLER', 'CODE', 'LAST', 'MESSAGE']
  const rows = items.map(({ id, count, keys, group, handler, code, lastAt, message }) => {
    return [id, String(count), String(keys), group, handler, code, short(lastAt), cut(message)]
  })
  return tableOf([head, ...rows])
}

function letterLines({ items, next }: { readonly items: readonly Listed[]; readonly next: string | null }) {
  if (items.length === 0) return ['There is no such dead letter.']
  const head = ['ID', 'GROUP', 'TYPE', 'KEY', 'CODE', 'DIED', 'STATUS', 'REDRIVEN']
  const rows = items.map(({ id, group, type, key, code, diedAt, status, redriveCount }) => {
    return [id, group, type, key, code, short(diedAt), status, `${redriveCount} times`]
  })
  return [...tableOf([head, ...rows]), ...moreLine(next)]
}

function parkedLines({ items, next }: { readonly items: readonly Parked[]; readonly next: string | null }) {
  if (items.length === 0) return ['Nothing is parked.']
  const head = ['GROUP', 'KEY', 'STATE', 'MESSAGES', 'TRIES', 'NEXT TRY', 'CODE', 'SINCE']
  const rows = items.map(({ group, keyName, key, state, messages, attempts, nextTry, code, firstFailedAt }) => {
    const when = nextTry === null ? 'a person decides' : short(nextTry)
    return [
      group,
      `${keyName}=${key}`,
      state,
      String(messages),
      String(attempts),
      when,
      code ?? '',
      short(firstFailedAt),
    ]
  })
  return [...tableOf([head, ...rows]), ...moreLine(next)]
}

function moreLine(next: string | null): string[] {
  return next === null ? [] : ['There are more: write --limit N for a longer list.']
}

function lookLines(letter: Looked): readonly string[] {
  const { id, status, group, handler, type, keyName, key, position, code, message, record } = letter
  return [
    `Dead letter ${id}: ${status}${letter.reason === null ? '' : ` (${letter.reason})`}`,
    ...tableOf([
      ['  message', `${type}, ${keyName} ${key}, at ${position}`],
      ['  given up by', `${group}, handler ${handler}`],
      ['  failed with', `${code} (${letter.faultClass}): ${message}`],
      ['  tries', `${letter.attempts}, from ${short(letter.firstFailedAt)} to ${short(letter.lastFailedAt)}`],
      ['  redriven', `${letter.redriveCount} times`],
      ['  behind it', `${letter.waitingBehind} messages wait`],
      ['  about', letter.story === null ? letter.correlation : `${letter.correlation}, story at ${letter.story}`],
      ...(letter.editedFrom === null ? [] : [['  edited from', letter.editedFrom]]),
    ]),
    ...letter.stack.split('\n').map((frame) => `    ${frame}`),
    ...JSON.stringify(record.value, undefined, 2).split('\n'),
  ]
}

/** To the second, as everywhere in UTC. */
function short(moment: string): string {
  return `${moment.slice(0, DAY_AND_TIME)}Z`
}

function cut(text: string): string {
  return text.length > MAX_MESSAGE_WIDTH ? `${text.slice(0, MAX_MESSAGE_WIDTH - 1)}…` : text
}
