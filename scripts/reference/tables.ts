// The page of the tables: every table of every schema with its columns, key and indexes.
import type { SchemaDeclaration, Table } from '../../src/platform/ports.ts'
import type { Registry } from '../../src/platform/runtime/registry.ts'
import { code, codes, page, table } from './markdown.ts'

export function tablesPage(registry: Registry): string {
  return page(
    'Tables',
    'Generated from the declarations by `npm run reference`. Each service owns a schema; no statement names ' +
      'two. On SQLite a schema is a prefix (`orders_cursors`), on PostgreSQL a schema (`orders.cursors`). ' +
      'Every service also has `log` (its partitions of every topic it appends to) and `heads` (the next number ' +
      'of each). Documents are JSON in `state`, guarded by `version`.',
    registry.schemas.flatMap(schemaPart),
  )
}

function schemaPart({ schema, version, tables }: SchemaDeclaration): string[] {
  return [
    `## ${schema}`,
    `Version ${version} of the schema.`,
    table(['Table', 'Columns', 'Key', 'Indexes'], tables.map(tableRow)),
  ]
}

function tableRow({ name, columns, keyWidth, indexes }: Table): readonly string[] {
  const described = columns.map((column) => `${code(column.name)} ${column.type}${column.nullable ? '?' : ''}`)
  return [
    code(name),
    described.join(', '),
    codes(columns.slice(0, keyWidth).map((column) => column.name)),
    indexes.map((index) => code(index.join(', '))).join('; '),
  ]
}
