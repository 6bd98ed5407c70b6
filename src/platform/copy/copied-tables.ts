// Which tables a copy carries: all that are declared, the tables of builds, and the heads and rows of every log.
import type { Column, SchemaDeclaration, Table } from '../ports.ts'
import { FIRST_BUILD, type Build } from '../rebuild/live-tables.ts'
import type { Registry } from '../runtime/registry.ts'
import { projectionTable } from '../store/tables.ts'
import { movesTable } from './moves.ts'

const text = (name: string): Column => ({ name, type: 'text', nullable: false })
const integer = (name: string): Column => ({ name, type: 'integer', nullable: false })

/** Made by both stores themselves, with these columns. */
export function headsTable(schema: string): Table {
  const columns = [text('topic'), ...['partition', 'generation', 'incarnation', 'first', 'next'].map(integer)]
  return {
    schema,
    name: 'heads',
    columns: [...columns, ...['appended_at', 'made'].map(integer)],
    keyWidth: 2,
    indexes: [],
  }
}

/**
 * By transactions, which is the order in which the rows came to be: what was written together is read, and written,
 * together.
 */
export function logTable(schema: string): Table {
  const key = [integer('transaction_id'), text('topic'), integer('partition'), integer('last')]
  const rest = [...['generation', 'incarnation', 'first', 'appended_at'].map(integer), text('body')]
  return { schema, name: 'log', columns: [...key, ...rest], keyWidth: 4, indexes: [] }
}

/** What is copied of a database, and what has to be made for it. */
export interface CopiedTables {
  /** As declared, with the tables of builds. */
  readonly schemas: readonly SchemaDeclaration[]
  /** Copied one by one, by key. */
  readonly tables: readonly Table[]
  /** Copied together, by transaction. */
  readonly logs: readonly Table[]
}

/** @param builds what the source says of projections that were rebuilt, or are being rebuilt. */
export function copiedTables(
  { services }: Pick<Registry, 'services'>,
  declared: readonly SchemaDeclaration[],
  builds: readonly Build[],
): CopiedTables {
  const schemas = declared.map((schema) => {
    return { ...schema, tables: [...schema.tables, ...buildTablesOf({ services }, schema.schema, builds)] }
  })
  const isCopied = ({ schema, name }: Table): boolean => schema !== movesTable.schema || name !== movesTable.name
  return {
    schemas,
    tables: schemas.flatMap(({ schema, tables }) => [...tables.filter(isCopied), headsTable(schema)]),
    logs: schemas.map(({ schema }) => logTable(schema)),
  }
}

function buildTablesOf(
  { services }: Pick<Registry, 'services'>,
  schema: string,
  builds: readonly Build[],
): readonly Table[] {
  const projections = services.find(({ name }) => name === schema)?.projections ?? []
  return builds.flatMap(({ service, projection: name, live, building }) => {
    const projection = projections.find((each) => each.name === name)
    if (service !== schema || projection === undefined) return []
    const numbers = [live, ...(building === null ? [] : [building])].filter((number) => number !== FIRST_BUILD)
    return numbers.map((number) => projectionTable(schema, projection, number))
  })
}
