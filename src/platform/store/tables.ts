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
  readonly clustered?: true
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
    { keyWidth: 4, clustered: true },
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
      traceparent: 'text?',
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
  { keyWidth: 2, clustered: true },
)

/** What people did beside the ordinary course of business; rows are only added. */
export const auditTable: Table = table(
  [PLATFORM_SCHEMA, 'audit'],
  {
    id: 'text',
    at: 'integer',
    principal: 'text',
    role: 'text',
    action: 'text',
    target: 'text',
    reason: 'text?',
    details: 'text?',
  },
  { indexes: [['target']] },
)

/** Jobs that redrive or discard many dead letters, one row in each database that has letters of it. */
export const redrivesTable: Table = table([PLATFORM_SCHEMA, 'redrives'], {
  id: 'text',
  version: 'integer',
  action: 'text',
  status: 'text',
  why: 'text?',
  request: 'text',
  reason: 'text',
  principal: 'text',
  asked_at: 'integer',
  changed_at: 'integer',
  total: 'integer',
  rate: 'integer?',
  stop_after: 'integer',
  max_redrives: 'integer',
  forgiven: 'integer',
  next_at: 'integer',
})

/** The letters of such a job, frozen when it was asked for, and what became of each. */
export const redriveLettersTable: Table = table(
  [PLATFORM_SCHEMA, 'redrive_letters'],
  {
    job: 'text',
    ordinal: 'integer',
    service: 'text',
    letter: 'text',
    consumer_group: 'text',
    key_name: 'text',
    key: 'text',
    state: 'text',
    why: 'text?',
    letter_version: 'integer',
    changed_at: 'integer',
  },
  { keyWidth: 2, indexes: [['job', 'state', 'ordinal'], ['letter']] },
)

/** Bodies that people wrote for dead letters; `body` is kept only while somebody has to approve of it. */
export const letterEditsTable: Table = table(
  [PLATFORM_SCHEMA, 'letter_edits'],
  {
    id: 'text',
    version: 'integer',
    service: 'text',
    letter: 'text',
    state: 'text',
    request: 'text',
    body: 'text?',
    fields: 'text',
    reason: 'text',
    proposed_by: 'text',
    proposed_at: 'integer',
    decided_by: 'text?',
    decided_at: 'integer?',
    decided_reason: 'text?',
    made: 'text?',
  },
  { indexes: [['letter'], ['state', 'proposed_at']] },
)

/**
 * Raised by every parking and unparking in a service's partition: whoever keeps parked keys in memory sees by it that
 * another process has changed them. Named `service partitions/partition`.
 */
export const parkingLotsTable: Table = table([PLATFORM_SCHEMA, 'parking_lots'], { lot: 'text', version: 'integer' })

/**
 * What each partition's last takeover from a process that died found waiting, and how often in a row it found it so.
 * Named as `lotOf` of the takeover does; written at takeovers alone.
 */
export const takeoversTable: Table = table([PLATFORM_SCHEMA, 'takeovers'], {
  lot: 'text',
  version: 'integer',
  items: 'text',
})

/** Copies of what is parked or dead that Kafka has not got yet; empty without Kafka. */
export const mirrorsTable: Table = table([PLATFORM_SCHEMA, 'mirrors'], { id: 'text', topic: 'text', body: 'text' })

/** What a partition's owner has in hand while it handles suspects one by one, or had when the watchdog ended it. */
export const inHandTable: Table = table([PLATFORM_SCHEMA, 'in_hand'], {
  lot: 'text',
  kind: 'text',
  name: 'text',
  place: 'integer',
  code: 'text',
  written_at: 'integer',
})

/** Keys of which a message could not be handled: their later messages queue in `parked`. */
export function parkedKeysTable(schema: string): Table {
  return table(
    [schema, 'parked_keys'],
    {
      consumer_group: 'text',
      key_name: 'text',
      key: 'text',
      version: 'integer',
      partitions: 'integer',
      partition: 'integer',
      state: 'text',
      due: 'integer',
      attempts: 'integer',
      messages: 'integer',
      tail: 'integer',
      first_failed_at: 'integer',
      parked_at: 'integer',
    },
    { keyWidth: 3, rowsGo: true },
  )
}

/** Where a record lay and what it was, byte for byte. */
const recordColumns = {
  topic: 'text',
  source: 'text',
  partition: 'integer',
  generation: 'integer',
  incarnation: 'integer',
  sequence: 'integer',
  appended_at: 'integer',
  type: 'text',
  record: 'text',
} as const

/** Messages of parked keys in their order; only the first of a key was tried, the others wait behind it. */
export function parkedTable(schema: string): Table {
  return table(
    [schema, 'parked'],
    {
      consumer_group: 'text',
      key_name: 'text',
      key: 'text',
      position: 'integer',
      ...recordColumns,
      attempts: 'integer',
      first_failed_at: 'integer?',
      last_failed_at: 'integer?',
      fault_class: 'text?',
      code: 'text?',
      message: 'text?',
      stack: 'text?',
      handler: 'text?',
      parked_at: 'integer',
      dead_letter: 'text?',
    },
    { keyWidth: 4 },
  )
}

/** Up to when somebody was told of the dead letters of one cause, and when that was. */
export function alertMarksTable(schema: string): Table {
  return table(
    [schema, 'alert_marks'],
    {
      consumer_group: 'text',
      topic: 'text',
      handler: 'text',
      code: 'text',
      version: 'integer',
      told_until: 'integer',
      told_at: 'integer',
    },
    { keyWidth: 4 },
  )
}

/** Messages that were given up, until a person redrives or discards them. */
export function deadLettersTable(schema: string): Table {
  return table(
    [schema, 'dead_letters'],
    {
      id: 'text',
      version: 'integer',
      consumer_group: 'text',
      key_name: 'text',
      key: 'text',
      position: 'integer',
      ...recordColumns,
      attempts: 'integer',
      first_failed_at: 'integer',
      last_failed_at: 'integer',
      fault_class: 'text',
      code: 'text',
      message: 'text',
      stack: 'text',
      handler: 'text',
      parked_at: 'integer',
      died_at: 'integer',
      status: 'text',
      redrive_count: 'integer',
      reason: 'text?',
      edited_from: 'text?',
    },
    {
      indexes: [
        ['status', 'died_at'],
        ['consumer_group', 'key_name', 'key'],
      ],
      rowsGo: true,
    },
  )
}

/**
 * A line for each dead letter that was archived: which file holds it and, where it was never handled, why its effect
 * is missing. Kept for ever, as the record itself is.
 */
export function archivedLettersTable(schema: string): Table {
  return table(
    [schema, 'archived_letters'],
    {
      id: 'text',
      consumer_group: 'text',
      key_name: 'text',
      key: 'text',
      topic: 'text',
      source: 'text',
      partition: 'integer',
      sequence: 'integer',
      type: 'text',
      code: 'text',
      status: 'text',
      archived_at: 'integer',
      file: 'text',
    },
    { indexes: [['consumer_group', 'status']] },
  )
}
