// Dead letters and parked keys as commands read them: straight from the database, or from the server that --url names.
import type { Route } from '../kernel/route.ts'
import { Refusal } from '../kernel/refuse.ts'
import type { causeView, letterView, listedView } from '../platform/operations/letter-views.ts'
import { letterCodes } from '../platform/operations/letter-codes.ts'
import { letterRoutes } from '../platform/operations/letter-routes.ts'
import type { keyView } from '../platform/operations/parked-routes.ts'
import { parkedRoutes } from '../platform/operations/parked-routes.ts'
import type { Settings } from '../platform/settings.ts'
import { bodyOf, openApi } from './api.ts'
import { CommandError } from './command.ts'
import { readDatabase } from './read-database.ts'

type Query = Readonly<Record<string, string>>
interface Items<Item> {
  readonly items: readonly Item[]
  readonly next: string | null
}

export interface LetterReader {
  causes(query: Query): Promise<Pick<Items<ReturnType<typeof causeView>>, 'items'>>
  letters(query: Query): Promise<Items<ReturnType<typeof listedView>>>
  letter(id: string): Promise<ReturnType<typeof letterView>>
  parked(query: Query): Promise<Items<ReturnType<typeof keyView>>>
}

const LETTERS = '/v1/ops/dead-letters'

/** Gets what a route answers; the same routes answer from the database and over HTTP. */
type Get = (path: string, query: Query, id?: string) => Promise<unknown>

function readerOver(get: Get): LetterReader {
  const read = async <Answer>(...asked: Parameters<Get>) => (await get(...asked)) as Answer
  return {
    causes: (query) => read(`${LETTERS}/causes`, query),
    letters: (query) => read(LETTERS, query),
    letter: (id) => read(`${LETTERS}/:id`, {}, id),
    parked: (query) => read('/v1/ops/parked', query),
  }
}

/** @throws {CommandError} with what the server, or the database, says. */
export async function readLetters<Answer>(
  settings: Settings,
  work: (reader: LetterReader) => Promise<Answer>,
): Promise<Answer> {
  const { url, key } = settings
  if (url === undefined) {
    return readDatabase(settings, (lonja) => {
      const routes = [...letterRoutes(lonja), ...parkedRoutes(lonja)]
      return work(readerOver((path, query, id) => answerOf(routes, path, { query, id })))
    })
  }
  const api = openApi({ url, key })
  try {
    return await work(
      readerOver(async (path, query, id = '') => {
        const search = new URLSearchParams(query).toString()
        const address = path.replace(':id', encodeURIComponent(id))
        return bodyOf(await api.get(search === '' ? address : `${address}?${search}`))
      }),
    )
  } finally {
    api.close()
  }
}

/** Calls a route that only reads, without a server around it. */
async function answerOf(
  routes: readonly Route[],
  path: string,
  { query, id }: { readonly query: Query; readonly id: string | undefined },
): Promise<unknown> {
  const route = routes.find((one) => one.method === 'GET' && one.path === path)
  if (route === undefined) throw new Error(`There is no route GET ${path}.`)
  const { rules } = route
  try {
    const params = parsed(rules.params, { id })
    const asked = parsed(rules.query, query)
    const { body } = await rules.handle({ params, query: asked } as Parameters<Route['rules']['handle']>[0])
    return body
  } catch (error) {
    const code = error instanceof Refusal ? error.code : undefined
    if (code === undefined || !(code in letterCodes)) throw error
    throw new CommandError(`${letterCodes[code as keyof typeof letterCodes].title} (${code})`)
  }
}

/** @throws {CommandError} with what is wrong, by field. */
function parsed(schema: Route['rules']['params'], value: unknown): Readonly<Record<string, unknown>> {
  if (schema === undefined) return {}
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new CommandError(result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}.`).join(' '))
}
