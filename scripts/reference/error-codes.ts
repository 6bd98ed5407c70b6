// The page of the error codes: every code of the server and of each service, with its status and what to do.
import { byService, code, codes, page, table } from './markdown.ts'
import type { ApiDocument, KnownCode } from './running.ts'
import { codesOfOperation, operationsOf } from './running.ts'

/** What the server and money call themselves. */
const SERVER = 'lonja'

export function errorCodesPage(known: readonly KnownCode[], api: ApiDocument): string {
  const users = usersOf(api)
  const parts = byService(known, ({ service }) => service).flatMap(([service, listed]) => [
    `## ${service === SERVER ? 'The server' : service}`,
    service === SERVER ? serverTable(listed) : serviceTable(listed, users),
  ])
  return page(
    'Error codes',
    'Generated from the catalogues by `npm run reference`. A refusal is an `application/problem+json` body ' +
      '(RFC 9457); decide by its `code`, which never changes its meaning, and show its `detail` to people. A ' +
      'running server explains each under `/problems/CODE`.',
    parts,
  )
}

function serverTable(listed: readonly KnownCode[]): string {
  return table(
    ['Code', 'Status', 'Meaning'],
    listed.map((each) => [code(each.code), String(each.status), each.title]),
  )
}

function serviceTable(listed: readonly KnownCode[], users: ReadonlyMap<string, readonly string[]>): string {
  return table(
    ['Code', 'Status', 'Meaning', 'Routes'],
    listed.map((each) => [code(each.code), String(each.status), each.title, codes(users.get(each.code) ?? [])]),
  )
}

/** The routes that declare each code. */
function usersOf(api: ApiDocument): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>()
  for (const { method, path, operation } of operationsOf(api)) {
    for (const each of codesOfOperation(operation)) users.set(each, [...(users.get(each) ?? []), `${method} ${path}`])
  }
  return users
}
