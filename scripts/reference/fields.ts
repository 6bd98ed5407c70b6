// The fields of a JSON Schema as rows of a table: path, type, whether it may be missing, and what it means.
import type { Json } from '../../src/platform/http/openapi-schemas.ts'

export interface Field {
  /** Such as `items[].sku`. */
  readonly path: string
  readonly type: string
  readonly isRequired: boolean
  readonly isPersonal: boolean
  readonly description: string
}

/** The mark that a generator sets on fields that `personal()` names. */
export const PERSONAL_MARK = 'x-lonja-personal'

/** Every field of an object, those inside of it after itself. */
export function fieldsOf(schema: Json, components: Json = {}): readonly Field[] {
  return walk(schema, { path: '', isPersonal: false, components })
}

interface Place {
  readonly path: string
  readonly isPersonal: boolean
  readonly components: Json
}

function walk(given: Json, place: Place): readonly Field[] {
  const schema = resolved(given, place.components)
  const properties = Object.entries((schema['properties'] ?? {}) as Readonly<Record<string, Json>>)
  const required = (schema['required'] ?? []) as readonly string[]
  return properties.flatMap(([name, given]) => {
    const inner = resolved(given, place.components)
    const isPersonal = place.isPersonal || inner[PERSONAL_MARK] === true || itemsOf(inner)?.[PERSONAL_MARK] === true
    const path = place.path === '' ? name : `${place.path}.${name}`
    const field: Field = {
      path,
      type: typeOf(inner, place.components),
      isRequired: required.includes(name),
      isPersonal,
      description: textOf(inner['description']),
    }
    return [field, ...inside(inner, { ...place, path, isPersonal })]
  })
}

function inside(schema: Json, place: Place): readonly Field[] {
  const items = itemsOf(schema)
  return items === undefined ? walk(schema, place) : walk(items, { ...place, path: `${place.path}[]` })
}

function itemsOf(schema: Json): Json | undefined {
  return schema['items'] as Json | undefined
}

function resolved(schema: Json, components: Json): Json {
  const ref = schema['$ref']
  if (typeof ref !== 'string') return schema
  const name = ref.slice(ref.lastIndexOf('/') + 1)
  return resolved((components[name] ?? {}) as Json, components)
}

/** As a person would say it: `text`, `text (uuid)`, `integer`, `"card" or "pix"`, `list of objects`. */
function typeOf(given: Json, components: Json): string {
  const schema = resolved(given, components)
  const either = (schema['anyOf'] ?? schema['oneOf']) as readonly Json[] | undefined
  if (either !== undefined) return [...new Set(either.map((each) => typeOf(each, components)))].join(' or ')
  const choices = schema['enum'] as readonly unknown[] | undefined
  if (choices !== undefined) return choices.map((each) => JSON.stringify(each)).join(', ')
  if ('const' in schema) return JSON.stringify(schema['const'])
  const items = itemsOf(schema)
  if (items !== undefined) return `list of ${typeOf(items, components)}`
  const type = textOf(schema['type'])
  if (type === 'string') return 'format' in schema ? `text (${textOf(schema['format'])})` : 'text'
  return type === '' ? 'anything' : type
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
