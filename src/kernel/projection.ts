// Projections: events folded into query tables with typed columns; rebuilt beside the live table whenever wanted.
import type { AnyMessageType, DataOf, MessageInfo } from './message.ts'

export type ColumnType = 'text' | 'integer'

/** A column that may hold nothing says `text?` or `integer?`. */
export type ColumnSpec = ColumnType | `${ColumnType}?`

type ValueOf<Spec> = Spec extends 'text'
  ? string
  : Spec extends 'integer'
    ? number
    : Spec extends 'text?'
      ? string | null
      : number | null

export type RowOf<Columns> = { readonly [Name in keyof Columns]: ValueOf<Columns[Name]> }

/** What a fold knows of the record besides its body; nothing of the moment, so a replay folds the same. */
export interface RecordFacts {
  readonly topic: string
  readonly partition: number
  readonly sequence: number
  /** Stamped by the append, never falling within a partition. Milliseconds since the epoch. */
  readonly appendedAt: number
}

export type ProjectionValue = string | number | null
export type ProjectionRow = Readonly<Record<string, ProjectionValue>>

/** How one event changes one row. The same event may have several folds, each of another row. */
export type Fold = RowFold | CountFold

export interface RowFold {
  readonly event: MessageInfo
  readonly keyOf: (data: unknown, facts: RecordFacts) => readonly ProjectionValue[] | undefined
  readonly fold: (row: ProjectionRow | undefined, data: unknown, facts: RecordFacts) => ProjectionRow | undefined
}

/** What one event adds to the counts of some rows; a row that does not exist yet has zeros beside its key. */
export interface CountFold {
  readonly event: MessageInfo
  readonly keysOf: (data: unknown, facts: RecordFacts) => readonly (readonly ProjectionValue[])[]
  readonly counts: (data: unknown, facts: RecordFacts) => readonly (readonly [column: string, by: number])[]
}

/** The keys of the rows that a fold changes. */
export function keysOf(fold: Fold, data: unknown, facts: RecordFacts): readonly (readonly ProjectionValue[])[] {
  if ('counts' in fold) return fold.keysOf(data, facts)
  const key = fold.keyOf(data, facts)
  return key === undefined ? [] : [key]
}

export interface Projection {
  readonly name: string
  readonly key: readonly string[]
  readonly columns: Readonly<Record<string, ColumnSpec>>
  readonly indexes: readonly (readonly string[])[]
  readonly folds: readonly Fold[]
}

interface ProjectionRules<Columns extends Readonly<Record<string, ColumnSpec>>> {
  readonly key: readonly (keyof Columns & string)[]
  readonly columns: Columns
  readonly indexes?: readonly (readonly (keyof Columns & string)[])[]
  readonly folds: (fold: FoldMaker<RowOf<Columns>>) => readonly Fold[]
}

type FoldMaker<Row> = <Type extends AnyMessageType>(
  event: Type,
  /** The key of the row that the event changes; undefined when it changes none. */
  keyOf: (data: DataOf<Type>, facts: RecordFacts) => readonly ProjectionValue[] | undefined,
  /** The row as it becomes; undefined leaves it as it is. */
  fold: (row: Row | undefined, data: DataOf<Type>, facts: RecordFacts) => Row | undefined,
) => Fold

/**
 * Declares a projection. `name` is its table's name and part of its consumer group's, for ever. Each column belongs to
 * one topic, so that the order between topics, which nobody keeps, does not matter.
 *
 * @example
 * projection('order_list', { key: ['order_id'], columns: { order_id: 'text', status: 'text' },
 *   folds: (fold) => [fold(OrderPlaced, (e) => [e.orderId], (_, e) => ({ order_id: e.orderId, status: 'PENDING' }))] })
 */
export function projection<const Columns extends Readonly<Record<string, ColumnSpec>>>(
  name: string,
  rules: ProjectionRules<Columns>,
): Projection {
  const folds = rules.folds((event, keyOf, fold) => ({ event, keyOf, fold }) as unknown as Fold)
  return { name, key: rules.key, columns: rules.columns, indexes: rules.indexes ?? [], folds }
}
