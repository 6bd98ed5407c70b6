// The page of the routes: what each takes, answers and may refuse, from the OpenAPI document.
import type { Json } from '../../src/platform/http/openapi-schemas.ts'
import { fieldsOf } from './fields.ts'
import { byService, code, codes, page, table } from './markdown.ts'
import type { ApiDocument, KnownCode, Operation } from './running.ts'
import { codesOfOperation, operationsOf } from './running.ts'

type Listed = ReturnType<typeof operationsOf>[number]

/** @param known the codes, to tell those of a service from those that every route may answer. */
export function routesPage(api: ApiDocument, known: readonly KnownCode[]): string {
  const own = new Set(known.filter(({ service }) => service !== 'lonja').map((each) => each.code))
  const operations = operationsOf(api)
  const overview = table(
    ['Route', 'Role', 'What it does'],
    operations.map(({ method, path, operation }) => [
      code(`${method} ${path}`),
      operation['x-lonja-role'],
      operation.summary,
    ]),
  )
  const parts = byService(operations, ({ operation }) => operation.tags[0]).flatMap(([service, listed]) => [
    `## ${service}`,
    ...listed.flatMap((each) => routePart(each, api, own)),
  ])
  return page(
    'Routes',
    'Generated from the OpenAPI document by `npm run reference`; a running server serves it at ' +
      '`/openapi.json` for programs and at `/docs` for people. Besides the codes named here, every route may ' +
      'answer those of the server itself ([error codes](error-codes.md#the-server)). Every POST, PUT and PATCH ' +
      'takes `Idempotency-Key`.',
    ['## All routes', overview, ...parts],
  )
}

function routePart({ method, path, operation }: Listed, api: ApiDocument, own: ReadonlySet<string>): string[] {
  const { schemas } = api.components
  const body = operation.requestBody?.content['application/json'] as { readonly schema: Json } | undefined
  const refusals = codesOfOperation(operation).filter((each) => own.has(each))
  const role = `Role **${operation['x-lonja-role']}**. Answers ${codes(answersOf(operation))}.`
  return [
    `### ${method} ${path}`,
    `${operation.summary} ${role}${refusals.length === 0 ? '' : ` Refuses with ${codes(refusals)}.`}`,
    ...parametersPart(operation),
    ...(body === undefined ? [] : fieldTable('Body', body.schema, schemas)),
    ...answersPart(operation, schemas),
  ]
}

function answersOf({ responses }: Operation): readonly string[] {
  return Object.keys(responses).filter((status) => Number(status) < 300)
}

function parametersPart({ parameters }: Operation): string[] {
  const own = parameters.filter((each) => !('$ref' in each))
  if (own.length === 0) return []
  const rows = own.map(({ name, in: place, required, schema }) => {
    const [field] = fieldsOf({ properties: { [String(name)]: schema } })
    return [
      code(String(name)),
      `${String(place)}${required === true ? '' : ', optional'}`,
      field?.type,
      field?.description,
    ]
  })
  return [
    table(
      ['Parameter', 'In', 'Type', 'Meaning'],
      rows.map((row) => row.map((cell) => cell ?? '')),
    ),
  ]
}

function answersPart(operation: Operation, schemas: Json): string[] {
  const [status = ''] = answersOf(operation)
  const content = operation.responses[status]?.['content'] as Readonly<Record<string, { readonly schema: Json }>>
  const schema = content?.['application/json']?.schema
  return schema === undefined ? [] : fieldTable(`Answer ${status}`, schema, schemas)
}

function fieldTable(title: string, schema: Json, schemas: Json): string[] {
  const fields = fieldsOf(schema, schemas)
  if (fields.length === 0) return []
  const rows = fields.map(({ path, type, isRequired, description }) => [
    code(path),
    `${type}${isRequired ? '' : ', optional'}`,
    description,
  ])
  return [table([title, 'Type', 'Meaning'], rows)]
}
