// What a server that runs says of itself: a whole Lonja in memory on a free port, asked and ended.
import { startApp } from '../../src/app.ts'
import { createCodeBook } from '../../src/platform/http/codes.ts'
import type { Json } from '../../src/platform/http/openapi-schemas.ts'
import { resolveSettings } from '../../src/platform/settings.ts'
import { services } from '../../src/services.ts'

export interface KnownCode {
  readonly code: string
  readonly status: number
  readonly title: string
  readonly service: string
}

export interface Operation {
  readonly tags: readonly [string]
  readonly summary: string
  readonly 'x-lonja-role': string
  readonly parameters: readonly Json[]
  readonly requestBody?: { readonly content: Json }
  readonly responses: Readonly<Record<string, Json>>
}

export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Json; readonly parameters: Json }
}

export interface Running {
  readonly api: ApiDocument
  /** Every code, also those of routes that no service declares but the server itself. */
  readonly codes: readonly KnownCode[]
}

/** Starts Lonja in memory, asks it, and ends it. */
export async function askRunning(): Promise<Running> {
  const flags = ['--host', '127.0.0.1', '--port', '0', '--store', 'sqlite::memory:', '--log-level', 'silent']
  const app = await startApp(resolveSettings(flags, {}).settings)
  try {
    const read = async <Body>(path: string) => (await (await fetch(`${app.address}${path}`)).json()) as Body
    const api = await read<ApiDocument>('/openapi.json')
    const names = new Set([...createCodeBook(services).all.map(({ code }) => code), ...codesIn(api)])
    const codes: KnownCode[] = []
    for (const name of names) codes.push(...(await read<readonly KnownCode[]>(`/problems/${name}`)))
    return { api, codes }
  } finally {
    await app.stop()
  }
}

/** Every operation with its method and path. */
export function operationsOf({ paths }: ApiDocument) {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
}

/** The codes that an operation may be answered with. */
export function codesOfOperation({ responses }: Operation): readonly string[] {
  return Object.values(responses).flatMap((response) => {
    const content = response['content'] as Readonly<Record<string, { readonly schema: Json }>> | undefined
    const properties = content?.['application/problem+json']?.schema['properties'] as
      | { readonly code: { readonly enum: readonly string[] } }
      | undefined
    return properties?.code.enum ?? []
  })
}

function codesIn(api: ApiDocument): readonly string[] {
  return operationsOf(api).flatMap(({ operation }) => codesOfOperation(operation))
}
