// The projection rows of a batch: loaded in bulk, folded record by record, saved once.
import type { Fold, Projection, ProjectionRow, ProjectionValue } from '../../kernel/projection.ts'
import type { LogRecord } from '../log/record.ts'
import type { Row, Table, Transaction, Write } from '../ports.ts'
import { sorted } from './working-set.ts'

interface HeldRow {
  readonly key: readonly ProjectionValue[]
  /** As it was loaded; undefined for a row that does not exist yet. */
  readonly stored: ProjectionRow | undefined
  row: ProjectionRow | undefined
  changed: boolean
}

type ChangedRow = HeldRow & { readonly row: ProjectionRow }

/** A projection and the service whose table it is. */
export interface OwnedProjection {
  readonly service: string
  readonly projection: Projection
}

/** One table's share. A separator that no stored text holds joins the parts of a key. */
class TableRows {
  readonly table: Table
  readonly rows = new Map<string, HeldRow>()
  wanted = new Map<string, readonly ProjectionValue[]>()

  constructor(table: Table) {
    this.table = table
  }
}

function keyName(key: readonly ProjectionValue[]): string {
  return key.length === 1 ? String(key[0]) : key.join('\u0000')
}

export class ProjectionSet {
  readonly #tables = new Map<Projection, TableRows>()
  readonly #tableOf: (service: string, projection: Projection) => Table

  /** @param tableOf the table that the projection is being folded into: its live one, or one that is rebuilt. */
  constructor(tableOf: (service: string, projection: Projection) => Table) {
    this.#tableOf = tableOf
  }

  /** Notes the rows that the record will change. */
  want(projection: OwnedProjection, folds: readonly Fold[], record: LogRecord): void {
    const rows = this.#rows(projection)
    for (const fold of folds) {
      const key = fold.keyOf(record.data, record)
      if (key === undefined) continue
      const name = keyName(key)
      if (!rows.rows.has(name)) rows.wanted.set(name, key)
    }
  }

  async load(transaction: Transaction): Promise<void> {
    await Promise.all(
      [...this.#tables.values()].map(async (held) => {
        if (held.wanted.size === 0) return
        const { wanted, table } = held
        held.wanted = new Map()
        const loaded = await transaction.load(table, sorted([...wanted.values()] as Row[], table.keyWidth))
        for (const cells of loaded) {
          const key = cells.slice(0, table.keyWidth)
          const row = asRow(table, cells)
          held.rows.set(keyName(key), { key, stored: row, row, changed: false })
        }
        for (const [name, key] of wanted) {
          if (!held.rows.has(name)) held.rows.set(name, { key, stored: undefined, row: undefined, changed: false })
        }
      }),
    )
  }

  /** Folds one record into the rows that it changes; all of them or, when one fold throws, none. */
  fold(projection: OwnedProjection, folds: readonly Fold[], record: LogRecord): void {
    const held = this.#rows(projection)
    const before: [HeldRow, ProjectionRow | undefined][] = []
    try {
      for (const fold of folds) {
        const key = fold.keyOf(record.data, record)
        if (key === undefined) continue
        const row = held.rows.get(keyName(key))
        if (row === undefined)
          throw new Error(`${projection.projection.name} changed its mind about the row of ${record.type}.`)
        before.push([row, row.row])
        const next = fold.fold(row.row, record.data, record)
        if (next === undefined) continue
        row.row = next
        row.changed = true
      }
    } catch (error) {
      for (const [row, old] of before.toReversed()) row.row = old
      throw error
    }
  }

  /** New rows, and of rows that exist only the columns that changed: each index that is left alone saves 2 µs a row. */
  changes(): Write[] {
    return [...this.#tables.values()].flatMap(({ table, rows }) => {
      const changed = [...rows.values()].filter((held): held is ChangedRow => held.changed && held.row !== undefined)
      const created = changed.filter(({ stored }) => stored === undefined)
      const updated = changed.filter(({ stored }) => stored !== undefined)
      const names = table.columns.map(({ name }) => name)
      const sets = names.filter((name) => updated.some(({ row, stored }) => row[name] !== stored?.[name]))
      const cells = (held: readonly ChangedRow[]): Row[] => {
        return sorted(
          held.map(({ row }) => names.map((name) => row[name] ?? null)),
          table.keyWidth,
        )
      }
      return [
        ...(created.length > 0 ? [{ table, mode: 'insert' as const, rows: cells(created) }] : []),
        ...(sets.length > 0 ? [{ table, mode: 'upsert' as const, rows: cells(updated), sets }] : []),
      ]
    })
  }

  #rows({ service, projection }: OwnedProjection): TableRows {
    let rows = this.#tables.get(projection)
    if (rows === undefined) this.#tables.set(projection, (rows = new TableRows(this.#tableOf(service, projection))))
    return rows
  }
}

function asRow(table: Table, cells: Row): ProjectionRow {
  return Object.fromEntries(table.columns.map(({ name }, index) => [name, cells[index] ?? null]))
}
