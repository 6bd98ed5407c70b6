// Does what the `curl` commands of a page say, against a server of the test, and compares what the page shows.
import assert from 'node:assert/strict'
import type { Block } from './markdown.ts'

/** The address that pages write. */
const WRITTEN_ADDRESS = 'http://127.0.0.1:8080'
/** What pages write for a part of an answer that differs from run to run. */
const ANYTHING = '…'

export interface Answered {
  readonly command: string
  readonly status: number
  readonly body: unknown
}

interface HttpRequest {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/**
 * Sends every `curl` of the `sh` blocks in order; a `json` block after one has to be part of the last answer.
 *
 * @returns the answers, in order.
 */
export async function followCurl(blocks: readonly Block[], address: string): Promise<readonly Answered[]> {
  const answers: Answered[] = []
  const variables = new Map<string, string>()
  for (const { language, text } of blocks) {
    if (language === 'json') assertShown(answers.at(-1), JSON.parse(text))
    if (language !== 'sh') continue
    for (const command of commandsOf(text)) {
      const [, name, field] = /^(\w+)=\S+\s+# the (\w+) of the answer above$/.exec(command) ?? []
      if (name !== undefined && field !== undefined) variables.set(name, fieldOf(answers.at(-1), field))
      else if (command.startsWith('curl ')) answers.push(await send(command, address, variables))
    }
  }
  return answers
}

/** Commands, with quoted line ends and backslashes at line ends taken in. */
function commandsOf(text: string): readonly string[] {
  const found = text.match(/(?:'[^']*'|\\\n|[^'\n])+/g) ?? []
  return found.map((command) => command.replaceAll('\\\n', ' ').trim()).filter((command) => command !== '')
}

async function send(command: string, address: string, variables: ReadonlyMap<string, string>): Promise<Answered> {
  const { url, method, headers, body } = requestOf(command, variables)
  assert.ok(url.startsWith(WRITTEN_ADDRESS), `${command} asks another server than the page starts`)
  const response = await fetch(url.replace(WRITTEN_ADDRESS, address), {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  })
  const answer = await response.text()
  return { command, status: response.status, body: answer === '' ? undefined : JSON.parse(answer) }
}

/** Reads the few flags that pages use; any other one fails, as it would not be followed. */
function requestOf(command: string, variables: ReadonlyMap<string, string>): HttpRequest {
  const [, ...words] = wordsOf(command, variables)
  const headers: Record<string, string> = {}
  let [url, method, body]: [string, string, string | undefined] = ['', 'GET', undefined]
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '-s') continue
    if (word === '-X') method = words.shift() ?? ''
    else if (word === '-d') body = words.shift()
    else if (word === '-H') {
      const [name = '', ...value] = (words.shift() ?? '').split(': ')
      headers[name] = value.join(': ')
    } else if (word.startsWith('-')) assert.fail(`${word} of ${command} is no flag that this test can follow`)
    else url = word
  }
  return { url, method, headers, body }
}

function wordsOf(command: string, variables: ReadonlyMap<string, string>): string[] {
  const words = command.match(/'[^']*'|[^\s']+/g) ?? []
  return words.map((word) => {
    if (word.startsWith("'")) return word.slice(1, -1)
    return word.replaceAll(/\$(\w+)/g, (_, name: string) => variables.get(name) ?? assert.fail(`$${name} is not set`))
  })
}

function fieldOf(answered: Answered | undefined, field: string): string {
  const value = (answered?.body as Readonly<Record<string, unknown>> | undefined)?.[field]
  assert.ok(typeof value === 'string', `${answered?.command ?? 'nothing'} was answered without ${field}`)
  return value
}

function assertShown(answered: Answered | undefined, shown: unknown): void {
  assert.ok(answered !== undefined, 'the page shows an answer before any command')
  const said = `${answered.command} was answered ${answered.status} ${JSON.stringify(answered.body)}`
  assert.deepEqual(likeShown(answered.body, shown), shown, said)
}

/** The answer cut down to the fields that are shown. */
function likeShown(actual: unknown, shown: unknown): unknown {
  if (shown === ANYTHING && actual !== undefined) return ANYTHING
  if (Array.isArray(shown) && Array.isArray(actual)) {
    return actual.map((each, index) => likeShown(each, shown[index]))
  }
  if (typeof shown !== 'object' || shown === null || typeof actual !== 'object' || actual === null) return actual
  const fields = actual as Readonly<Record<string, unknown>>
  return Object.fromEntries(Object.entries(shown).map(([name, inner]) => [name, likeShown(fields[name], inner)]))
}
