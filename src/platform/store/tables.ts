// The tables that every service has besides its own documents, and how declarations become tables.
import type { StateKind } from '../../kernel/handler.ts'
import type { ColumnSpec, Projection } from '../../kernel/projection.ts'
import type { Column, Table } from '../ports.ts'

function columns(specs: Readonly<Record<string, ColumnSpec>>): Column[] {
  return Object.entries(specs).map(([name, spec]) => ({
    name,
    type: spec.startsWith('text') ? 'text' : 'integer',
    nullable: spec.endsWith('?'),
  }))
}

interface TableOptions {
  readonly keyWidth?: number
  readonly indexes?: readonly (readonly string[])[]
  readonly rowsGo?: true
}

function table(
  [schema, name]: readonly [string, string],
  specs: Readonly<Record<string, ColumnSpec>>,
  { keyWidth = 1, indexes = [], ...options }: TableOptions = {},
): Table {
  return { schema, name, columns: columns(specs), keyWidth, indexes, ...options }
}

/** The platform's own schema: what belongs to no service. */
export const PLATFORM_SCHEMA = 'lonja'

/** How far each group has read each partition of each source; the fence of every effect. */
export function cursorsTable(schema: string): Table {
  return table(
    [schema, 'cursors'],
    {
      consumer_group: 'text',
      topic: 'text',
      partition: 'integer',
      source: 'text',
      version: 'integer',
      next: 'integer',
      generation: 'integer',
      incarnation: 'integer',
      began_at: 'text',
    },
    { keyWidth: 4 },
  )
}

/** Answers of commands by (principal, key), kept so that a repeated request gets the same one. */
export function idempotencyTable(schema: string): Table {
  return table(
    [schema, 'idempotency'],
    { scope: 'text', body_hash: 'text', status: 'integer', reply: 'text', created_at: 'integer' },
    { indexes: [['created_at']] },
  )
}

/** The document of a state kind; deleting keeps the row, so that its version goes on. */
export function stateTable(schema: string, kind: StateKind<unknown>): Table {
  const constant = kind.constant === undefined ? undefined : ({ constant: 'text?' } as const)
  return table([schema, kind.name], { key: 'text', version: 'integer', state: 'text', ...constant })
}

/** Every event of every aggregate of the service, for ever. */
export function streamsTable(schema: string): Table {
  return table(
    [schema, 'streams'],
    { kind: 'text', key: 'text', event: 'integer', type: 'text', data: 'text', recorded_at: 'integer' },
    { keyWidth: 3 },
  )
}

/** Timers clustered on their due time, so that the sweep reads and deletes ranges. */
export function timersTable(schema: string): Table {
  return table(
    [schema, 'timers'],
    { due: 'integer', partition: 'integer', name: 'text', key: 'text', command: 'text?', correlation: 'text' },
    { keyWidth: 4 },
  )
}

/** Requests to the outside that have no answer yet. */
export function effectsTable(schema: string): Table {
  return table(
    [schema, 'effects'],
    {
      id: 'text',
      version: 'integer',
      effect: 'text',
      key: 'text',
      partition: 'integer',
      request: 'text',
      correlation: 'text',
      cause: 'text',
      attempts: 'integer',
      due: 'integer',
      requested_in: 'integer',
      ordinal: 'integer',
      created_at: 'integer',
      last_error: 'text?',
    },
    // No index: the table holds only what is open, and is read whole.
    { rowsGo: true },
  )
}

/** A projection's table; `build` tells a table that is being rebuilt from the live one. */
export function projectionTable(schema: string, projection: Projection, build: number): Table {
  const keyed = Object.fromEntries([
    ...projection.key.map((name) => [name, projection.columns[name] ?? 'text'] as const),
    ...Object.entries(projection.columns).filter(([name]) => !projection.key.includes(name)),
  ])
  const name = build === 1 ? projection.name : `${projection.name}_${build}`
  return table([schema, name], keyed, { keyWidth: projection.key.length, indexes: projection.indexes })
}

/** Which build of a projection is live. */
export function buildsTable(schema: string): Table {
  return table([schema, 'builds'], { projection: 'text', version: 'integer', live: 'integer', building: 'integer?' })
}

/** Which transactions touched a correlation, and what happened there that is no record: the thread of every story. */
export const trailTable: Table = table(
  [PLATFORM_SCHEMA, 'trail'],
  { correlation: 'text', transaction_id: 'integer', note: 'text?' },
  { keyWidth: 2 },
)
