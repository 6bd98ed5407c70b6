// `lonja audit`: what people did to the running system, listed or written to a file, a JSON object a line.
import { open } from 'node:fs/promises'
import { bodyOf, openApi, serverOf, type Api } from './api.ts'
import { CommandError, EXIT, countFlag, isSet, noWords, textFlag, type Call } from './command.ts'
import { tableOf } from './terminal.ts'

const PAGE_SIZE = 500
const USUAL_LIMIT = 100

interface Entry {
  readonly id: string
  readonly at: string
  readonly principal: string
  readonly role: string
  readonly action: string
  readonly target: string
  readonly reason?: string
  readonly details?: Readonly<Record<string, unknown>>
}

interface Page {
  readonly items: readonly Entry[]
  readonly next: string | null
}

export async function audit(call: Call): Promise<number> {
  noWords(call)
  const { terminal } = call
  const file = textFlag(call, 'export')
  const api = openApi(serverOf(call.settings))
  try {
    if (file !== undefined) {
      const count = await exportTo(file, pagesOf(api, queryOf(call)))
      terminal.line(`Wrote ${count} entries to ${file}.`)
      return EXIT.ok
    }
    const { entries, more } = await lastOf(pagesOf(api, queryOf(call)), countFlag(call, 'limit') ?? USUAL_LIMIT)
    if (isSet(call, 'json')) terminal.json({ items: entries })
    else for (const line of linesOf(entries, more)) terminal.line(line)
    return EXIT.ok
  } finally {
    api.close()
  }
}

function queryOf(call: Call): URLSearchParams {
  const names = { principal: 'by', action: 'action', target: 'target', since: 'since' } as const
  const given = Object.entries(names).flatMap(([field, flag]): [string, string][] => {
    const value = textFlag(call, flag)
    return value === undefined ? [] : [[field, value]]
  })
  return new URLSearchParams([...given, ['limit', String(PAGE_SIZE)]])
}

async function* pagesOf(api: Api, query: URLSearchParams): AsyncGenerator<readonly Entry[]> {
  for (let after: string | null = ''; after !== null;) {
    if (after !== '') query.set('after', after)
    const page: Page = bodyOf(await api.get(`/v1/ops/audit?${query.toString()}`))
    yield page.items
    after = page.next
  }
}

/** The newest ones; the pages come oldest first, so only so many are kept while they pass. */
async function lastOf(pages: AsyncIterable<readonly Entry[]>, limit: number) {
  let entries: readonly Entry[] = []
  let more = false
  for await (const page of pages) {
    more ||= entries.length + page.length > limit
    entries = [...entries, ...page].slice(-limit)
  }
  return { entries, more }
}

/** Page by page, each written before the next is asked for. */
async function exportTo(file: string, pages: AsyncIterable<readonly Entry[]>): Promise<number> {
  const out = await open(file, 'wx').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
    throw new CommandError(`${file} exists already, and is left as it is: name another file.`)
  })
  let count = 0
  try {
    for await (const page of pages) {
      await out.write(page.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
      count += page.length
    }
  } finally {
    await out.close()
  }
  return count
}

function linesOf(entries: readonly Entry[], more: boolean): string[] {
  if (entries.length === 0) return ['Nobody did anything of this kind.']
  const rows = entries.map(({ at, principal, action, target, reason = '', details = {} }) => {
    const about = Object.keys(details).length === 0 ? '' : ` ${JSON.stringify(details)}`
    return [at, principal, action, target, reason + about]
  })
  return [...(more ? ['… older ones: --limit N or --export FILE.'] : []), ...tableOf(rows)]
}
