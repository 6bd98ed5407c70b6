// All pages of the reference by file name, made from what the code declares and a running server says of itself.
import { buildRegistry } from '../../src/platform/runtime/registry.ts'
import { services } from '../../src/services.ts'
import { errorCodesPage } from './error-codes.ts'
import { groupsPage } from './groups.ts'
import { page, table } from './markdown.ts'
import { messagesPage } from './messages.ts'
import { routesPage } from './routes.ts'
import { askRunning } from './running.ts'
import { settingsPage } from './settings.ts'
import { tablesPage } from './tables.ts'

const CONTENTS = [
  ['[Routes](routes.md)', 'What the HTTP API takes, answers and refuses.'],
  ['[Error codes](error-codes.md)', 'Every code with its status, its meaning and the routes that answer it.'],
  ['[Settings](settings.md)', 'Every setting with its flag, its variables and its default.'],
  ['[Topics and messages](messages.md)', 'How each topic is kept; every field of every event and command.'],
  ['[Groups, sagas and effects](groups.md)', 'Who reads what, the steps of each saga, and the calls to the outside.'],
  ['[Tables](tables.md)', 'Every table of every schema.'],
]

/** The text of each file of docs/reference. */
export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  const { api, codes } = await askRunning()
  const registry = buildRegistry(services)
  const introduction = 'Generated from the code by `npm run reference`, and compared with it by a test.'
  return new Map([
    ['README.md', page('Reference', introduction, [table(['Page', 'What it holds'], CONTENTS)])],
    ['routes.md', routesPage(api, codes)],
    ['error-codes.md', errorCodesPage(codes, api)],
    ['settings.md', settingsPage()],
    ['messages.md', messagesPage(registry)],
    ['groups.md', groupsPage(registry)],
    ['tables.md', tablesPage(registry)],
  ])
}
