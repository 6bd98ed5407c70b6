// The JSON Schemas of a document: made from zod's, with what they share lifted to the document's components.
import { z } from 'zod'

export type Json = Readonly<Record<string, unknown>>

export interface Schemas {
  /** The schema as callers send it (`input`) or get it (`output`). */
  of(schema: z.ZodType, io: 'input' | 'output'): Json
  /** What was lifted so far, by name. */
  components(): Json
}

const LOCAL_REF = '#/$defs/'
/** zod names what it finds twice or recursively so; the names begin anew with each schema. */
const GENERATED_NAME = /^__schema\d+$/

/** A recursive schema without a name refers to its own root, which it does not have inside a document. */
const ROOT_REF = '#'

export function createSchemas(): Schemas {
  const lifted = new Map<string, Json>()
  let generated = 0
  return {
    of(schema, io) {
      const { $schema: _, $defs = {}, ...root } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json
      const names = new Map<string, string>()
      for (const name of Object.keys($defs as Json)) {
        generated += 1
        names.set(name, GENERATED_NAME.test(name) ? `Schema${generated}` : nameOf(name, io))
      }
      for (const [name, inner] of Object.entries($defs as Json)) {
        lifted.set(names.get(name) ?? name, renamed(inner, names) as Json)
      }
      return renamed(root, names) as Json
    },
    components: () => Object.fromEntries(lifted),
  }
}

// One type may look different going in (defaults, numbers for amounts) and coming out.
function nameOf(name: string, io: 'input' | 'output'): string {
  return io === 'input' ? `${name}Input` : name
}

function renamed(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((inner) => renamed(inner, names))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$ref' ? renamedRef(inner, names) : renamed(inner, names),
    ]),
  )
}

function renamedRef(ref: unknown, names: ReadonlyMap<string, string>): unknown {
  if (ref === ROOT_REF) throw new Error('A recursive schema of a route has no name: give it one with .meta({ id }).')
  if (typeof ref !== 'string' || !ref.startsWith(LOCAL_REF)) return ref
  const name = ref.slice(LOCAL_REF.length)
  return `#/components/schemas/${names.get(name) ?? name}`
}
