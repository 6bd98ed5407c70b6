// The OpenAPI document: its structure, every route in it, and the page that shows it without asking anybody else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { get } from '../../kernel/route.ts'
import { FakeApplication, testServer } from './fake-application.ts'
import { createCodeBook } from './codes.ts'
import { openApiDocument } from './openapi.ts'
import { createSchemas, type Json } from './openapi-schemas.ts'

interface Operation {
  readonly summary: string
  readonly operationId: string
  readonly parameters: readonly { readonly name?: string; readonly in?: string; readonly $ref?: string }[]
  readonly requestBody?: { readonly content: Json }
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Json }>>
  readonly 'x-lonja-role': string
}

interface Document {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: Readonly<Record<string, Readonly<Record<string, Json>>>>
}

async function document(): Promise<Document> {
  const { inject } = await testServer()
  return (await inject('/openapi.json')).json<Document>()
}

test('every route is listed with its summary, its role and its answers', async () => {
  const { paths } = await document()
  for (const { routes } of new FakeApplication().services) {
    for (const { method, path, rules } of routes) {
      const operation = paths[path.replace(':thingId', '{thingId}')]?.[method.toLowerCase()]
      assert.ok(operation, `${method} ${path} is missing`)
      assert.deepEqual([operation.summary, operation['x-lonja-role']], [rules.summary, rules.role])
      for (const status of Object.keys(rules.answers)) assert.ok(operation.responses[status], `${path} ${status}`)
    }
  }
})

test('each part is there that a 3.1 document needs, and each name once', async () => {
  const { openapi, info, paths, components } = await document()
  assert.match(openapi, /^3\.1\.\d$/)
  assert.match(`${info.title} ${info.version}`, /^Lonja \d+\.\d+\.\d+$/)
  const operations = Object.values(paths).flatMap((each) => Object.values(each))
  const ids = operations.map(({ operationId }) => operationId)
  assert.equal(new Set(ids).size, ids.length)
  assert.ok(ids.includes('patch-v1-things-thingId'), ids.join())
  assert.deepEqual(Object.keys(components['securitySchemes'] ?? {}), ['bearer', 'apiKey'])
  for (const { responses, parameters } of operations) {
    assert.ok(Object.values(responses).every(({ description }) => description !== ''))
    for (const { $ref, name, in: place } of parameters) assert.ok($ref ?? (name && place))
  }
})

test('each placeholder of a path is a required parameter', async () => {
  for (const [path, operations] of Object.entries((await document()).paths)) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    for (const { parameters } of Object.values(operations)) {
      const given = parameters.filter((each) => each.in === 'path')
      assert.deepEqual(
        given.map(({ name }) => name),
        names,
      )
      assert.ok(given.every((each) => 'required' in each && each.required === true))
    }
  }
})

test('every reference leads somewhere', async () => {
  const whole = await document()
  const references = [...JSON.stringify(whole).matchAll(/"\$ref":"([^"]+)"/g)].map(([, to]) => to ?? '')
  assert.ok(references.includes('#/components/schemas/Thing'))
  for (const reference of references) {
    const found = reference
      .split('/')
      .slice(1)
      .reduce<unknown>((at, name) => (at as Json | undefined)?.[name], whole)
    assert.ok(found, reference)
  }
})

test('a changing route tells of its headers, its body and its codes; a reading one does not', async () => {
  const { paths } = await document()
  const make = paths['/v1/things']?.['post']
  assert.ok(make)
  const refs = make.parameters.map(({ $ref }) => $ref)
  assert.deepEqual(refs, ['#/components/parameters/IdempotencyKey', '#/components/parameters/PreferWait'])
  assert.deepEqual(Object.keys(make.requestBody?.content ?? {}), ['application/json'])
  assert.match(make.responses['409']?.description ?? '', /`THING_FINAL`: The thing can not change/)
  assert.match(make.responses['422']?.description ?? '', /IDEMPOTENCY_KEY_REUSED[\s\S]*AMOUNT_MALFORMED/)
  for (const status of ['400', '401', '403', '413', '415', '422', '500', '503']) {
    assert.ok(make.responses[status]?.content?.['application/problem+json'], status)
  }
  const list = paths['/v1/things']?.['get']
  assert.deepEqual(
    list?.parameters.map(({ name }) => name),
    ['after', 'limit'],
  )
  assert.match(list?.responses['400']?.description ?? '', /PAGE_CURSOR_INVALID/)
})

test('a schema that its own kind contains is lifted by name, and one without a name is told', () => {
  const schemas = createSchemas()
  const Category: z.ZodType = z
    .object({
      get parts() {
        return z.array(Category)
      },
    })
    .meta({ id: 'Category' })
  assert.deepEqual(schemas.of(z.object({ root: Category }), 'output')['properties'], {
    root: { $ref: '#/components/schemas/Category' },
  })
  const { parts } = (schemas.components()['Category'] as { readonly properties: Record<string, Json> }).properties
  assert.deepEqual(parts?.['items'], { $ref: '#/components/schemas/Category' })
  schemas.of(z.object({ root: Category }), 'input')
  assert.deepEqual(Object.keys(schemas.components()), ['Category', 'CategoryInput'])
  const nameless: z.ZodType = z.object({
    get parts() {
      return z.array(nameless)
    },
  })
  assert.throws(() => schemas.of(nameless, 'output'), /give it one with \.meta/)
})

test('a route that names a code which nobody declares fails at the start', () => {
  const rules = { summary: 'x', role: 'reader', answers: {}, codes: ['NO_SUCH_CODE'] } as const
  const route = get('/v1/x', { ...rules, handle: async () => ({ status: 200 }) })
  const services = new FakeApplication().services.map((each) => ({ ...each, routes: [route] }))
  const description = { services, codes: createCodeBook(services), version: '1.0.0' }
  assert.throws(() => openApiDocument(description), /GET \/v1\/x names NO_SUCH_CODE, which no service declares/)
})

test('the page and its parts come from here alone', async () => {
  const { inject } = await testServer()
  const page = await inject('/docs')
  assert.equal(page.statusCode, 200)
  assert.ok(!/(?:src|href)="(?:https?:)?\/\//.test(page.body))
  assert.match(String(page.headers['content-security-policy']), /^default-src 'self'/)
  const parts = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url ?? '')
  assert.equal(parts.length, 4)
  for (const url of parts) {
    const part = await inject(url)
    assert.equal(part.statusCode, 200, url)
    assert.match(String(part.headers['content-type']), /^(?:text\/(?:css|javascript)|image\/png)/)
    assert.ok(part.rawPayload.length > 100, url)
  }
  assert.match((await inject('/docs/start.js')).body, /url: '\/openapi\.json'[\s\S]*validatorUrl: null/)
  assert.equal((await inject('/docs/package.json')).statusCode, 404)
})
