// What people did to the running system: who, when, to what, and why. Written in the transaction of the deed.
import type { Deed, Role } from '../../kernel/route.ts'
import type { Cell, Row, Store, Write } from '../ports.ts'
import { auditTable } from '../store/tables.ts'

export interface AuditEntry extends Deed {
  /** A UUIDv7: entries of one database sort by time. */
  readonly id: string
  readonly at: number
  readonly principal: string
  readonly role: Role
}

/** Which entries are wanted, in the order in which they were written. */
export interface AuditQuery {
  /** Only entries behind this one. */
  readonly after?: string | undefined
  readonly since?: number | undefined
  readonly principal?: string | undefined
  readonly action?: string | undefined
  readonly target?: string | undefined
  readonly limit: number
}

export function auditWrites(entries: readonly AuditEntry[]): Write[] {
  if (entries.length === 0) return []
  const rows = entries.map(({ id, at, principal, role, action, target, reason, details }): Row => {
    const more = details === undefined ? null : JSON.stringify(details)
    return [id, at, principal, role, action, target, reason ?? null, more]
  })
  return [{ table: auditTable, mode: 'insert', rows: rows.toSorted((one, other) => (one[0]! < other[0]! ? -1 : 1)) }]
}

/** Reads the entries of one database. */
export async function readAudit(store: Store, query: AuditQuery): Promise<readonly AuditEntry[]> {
  const { after, since, principal, action, target, limit } = query
  const wanted: readonly (readonly [string, Cell | undefined])[] = [
    ['id > ?', after],
    ['at >= ?', since],
    ['principal = ?', principal],
    ['action = ?', action],
    ['target = ?', target],
  ]
  const asked = wanted.flatMap(([test, value]) => (value === undefined ? [] : [{ test, value }]))
  const where = asked.length === 0 ? '' : `WHERE ${asked.map(({ test }) => test).join(' AND ')}`
  const rows = await store.query<Readonly<Record<string, Cell>>>(
    `SELECT * FROM ${store.tableName(auditTable.schema, auditTable.name)} ${where} ORDER BY id LIMIT ?`,
    [...asked.map(({ value }) => value), limit],
  )
  return rows.map(auditEntryIn)
}

/** Everything that was done to one of these. */
export async function auditEntriesOf(store: Store, targets: readonly string[]): Promise<readonly AuditEntry[]> {
  const rows = await store.query<Readonly<Record<string, Cell>>>(
    `SELECT * FROM ${store.tableName(auditTable.schema, auditTable.name)}
     WHERE target IN (${targets.map(() => '?').join(', ')}) ORDER BY id`,
    targets,
  )
  return rows.map(auditEntryIn)
}

function auditEntryIn(row: Readonly<Record<string, Cell>>): AuditEntry {
  const { reason = null, details = null } = row
  return {
    id: String(row['id']),
    at: Number(row['at']),
    principal: String(row['principal']),
    role: String(row['role']) as Role,
    action: String(row['action']),
    target: String(row['target']),
    ...(reason === null ? {} : { reason: String(reason) }),
    ...(details === null ? {} : { details: JSON.parse(String(details)) as Readonly<Record<string, unknown>> }),
  }
}
