// The OpenAPI 3.1 document, built from the services' declared routes and the catalogue of codes.
import type { Route } from '../../kernel/route.ts'
import type { Service } from '../../kernel/service.ts'
import type { CodeBook, Meaning, PlatformCode } from './codes.ts'
import { createSchemas, type Json, type Schemas } from './openapi-schemas.ts'

const PROBLEM_SCHEMA: Json = {
  type: 'object',
  description: 'What went wrong (RFC 9457). Decide by `code`, which is stable; show `detail` to people.',
  required: ['type', 'title', 'status', 'detail', 'code', 'instance'],
  properties: {
    type: { type: 'string', description: 'Where the code is explained.', examples: ['/problems/BODY_INVALID'] },
    title: { type: 'string', description: 'What the code means.' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What happened in this request.' },
    code: { type: 'string', examples: ['BODY_INVALID'] },
    details: { type: 'object', description: 'Facts by name; `issues` lists paths and messages of invalid input.' },
    instance: { type: 'string', description: 'The id of the request, as in X-Request-Id.' },
  },
}

const PARAMETERS: Json = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      'The same key with the same request gets the same answer for 48 hours at least, also when both come at once.',
    schema: { type: 'string', minLength: 1, maxLength: 200 },
  },
  PreferWait: {
    name: 'Prefer',
    in: 'header',
    description: '`wait=N` waits up to N seconds (0 to 30) for the final state and answers the state reached.',
    schema: { type: 'string', examples: ['wait=10'] },
  },
}

const SECURITY_SCHEMES: Json = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key. Not needed where the server serves loopback alone.',
  },
  apiKey: { type: 'apiKey', in: 'header', name: 'X-Api-Key', description: 'The same key in a header of its own.' },
}

const CHANGES = new Set(['POST', 'PUT', 'PATCH'])

export interface ApiDescription {
  readonly services: readonly Service[]
  readonly codes: CodeBook
  readonly version: string
}

/** @throws when a route names a code that nobody declares. */
export function openApiDocument({ services, codes, version }: ApiDescription): Json {
  const schemas = createSchemas()
  const paths: Record<string, Record<string, Json>> = {}
  for (const service of services) {
    for (const route of service.routes) {
      const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
      paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf({ route, service, codes, schemas }) }
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Lonja', version, description: 'Orders, stock, payments and shipments that nothing loses.' },
    servers: [{ url: '/' }],
    tags: services.map(({ name, summary }) => ({ name, description: summary })),
    security: [{ bearer: [] }, { apiKey: [] }],
    paths,
    components: {
      schemas: { Problem: PROBLEM_SCHEMA, ...schemas.components() },
      parameters: PARAMETERS,
      securitySchemes: SECURITY_SCHEMES,
    },
  }
}

interface Operation {
  readonly route: Route
  readonly service: Service
  readonly codes: CodeBook
  readonly schemas: Schemas
}

function operationOf(operation: Operation): Json {
  const { route, service, schemas } = operation
  const { method, path, rules } = route
  return {
    tags: [service.name],
    summary: rules.summary,
    description: `Needs the role **${rules.role}** or a stronger one.`,
    operationId: `${method.toLowerCase()}${path.replaceAll(/[^A-Za-z0-9]+/g, '-').replace(/-$/, '')}`,
    'x-lonja-role': rules.role,
    parameters: parametersOf(route, schemas),
    ...(rules.body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: schemas.of(rules.body, 'input') } } },
    }),
    responses: { ...answersOf(operation), ...problemsOf(operation) },
  }
}

function parametersOf({ method, rules }: Route, schemas: Schemas): readonly Json[] {
  const listed = (place: 'path' | 'query', schema: Route['rules']['params']): Json[] => {
    const { properties = {}, required = [] } = schema === undefined ? {} : schemas.of(schema, 'input')
    return Object.entries(properties as Json).map(([name, each]) => ({
      name,
      in: place,
      required: place === 'path' || (required as readonly string[]).includes(name),
      schema: each,
      ...describedBy(each),
    }))
  }
  const headers = CHANGES.has(method) ? ['IdempotencyKey', 'PreferWait'] : []
  return [
    ...listed('path', rules.params),
    ...listed('query', rules.query),
    ...headers.map((name) => ({ $ref: `#/components/parameters/${name}` })),
  ]
}

function describedBy(schema: unknown): Json {
  const { description } = schema as { readonly description?: string }
  return description === undefined ? {} : { description }
}

const WITHOUT_BODY = new Set(['void', 'undefined', 'never'])

function answersOf({ route, schemas }: Operation): Json {
  const answers = Object.entries(route.rules.answers).map(([status, schema]) => {
    const description = schema.description ?? route.rules.summary
    if (WITHOUT_BODY.has(schema.type)) return [status, { description }]
    return [status, { description, content: { 'application/json': { schema: schemas.of(schema, 'output') } } }]
  })
  return Object.fromEntries(answers) as Json
}

/** The codes that each route may be answered with, its own and the server's. */
export function codesOf({ method, rules }: Route): readonly string[] {
  const always: PlatformCode[] = ['KEY_MISSING', 'KEY_UNKNOWN', 'ROLE_MISSING', 'ORIGIN_FOREIGN', 'PREFER_INVALID']
  const params: PlatformCode[] = rules.params === undefined ? [] : ['URL_INVALID', 'PARAMS_INVALID']
  const query: PlatformCode[] = rules.query === undefined ? [] : ['QUERY_INVALID']
  const cursor: PlatformCode[] = rules.query?.shape['after'] === undefined ? [] : ['PAGE_CURSOR_INVALID']
  const body: PlatformCode[] =
    rules.body === undefined
      ? []
      : ['JSON_BROKEN', 'BODY_TOO_LARGE', 'RECORD_TOO_LARGE', 'CONTENT_TYPE', 'BODY_INVALID']
  const change: PlatformCode[] = CHANGES.has(method)
    ? ['IDEMPOTENCY_KEY_INVALID', 'IDEMPOTENCY_KEY_REUSED', 'VALUE_NOT_STORABLE', 'OVERLOADED']
    : []
  const broken: PlatformCode[] = ['STORE_UNAVAILABLE', 'OUTCOME_UNKNOWN', 'INTERNAL']
  return [...always, ...params, ...query, ...cursor, ...body, ...change, ...broken, ...(rules.codes ?? [])]
}

function problemsOf({ route, service, codes }: Operation): Json {
  const byStatus = new Map<number, Map<string, Meaning>>()
  for (const code of codesOf(route)) {
    const meaning = codes.meaningOf(code, service.name)
    if (meaning === undefined)
      throw new Error(`${route.method} ${route.path} names ${code}, which no service declares.`)
    byStatus.set(meaning.status, (byStatus.get(meaning.status) ?? new Map<string, Meaning>()).set(code, meaning))
  }
  return Object.fromEntries([...byStatus].map(([status, meanings]) => [String(status), problemResponse(meanings)]))
}

function problemResponse(meanings: ReadonlyMap<string, Meaning>): Json {
  const schema = {
    allOf: [{ $ref: '#/components/schemas/Problem' }],
    properties: { code: { enum: [...meanings.keys()] } },
  }
  return {
    description: [...meanings].map(([code, { title }]) => `- \`${code}\`: ${title}`).join('\n'),
    content: { 'application/problem+json': { schema } },
  }
}
