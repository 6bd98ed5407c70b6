// Entities: small documents by key, changed only by the handlers of their own service.
import { constantField } from './constant-part.ts'
import type { Ref, StateKind } from './handler.ts'

interface EntityRules<State> {
  readonly initial: () => State
  /** A field that is set when the document is made and never changes. */
  readonly constant?: keyof State & string
}

/**
 * Declares a kind of document. `name` is its table's name, for ever; `initial` is what a key without a document has.
 * Keep documents small: what grows (the reservations of a hot SKU) is a kind of its own and not a list inside, since
 * each change writes the whole document.
 *
 * @example
 * const stock = entity<Stock>('stock', { initial: () => ({ onHand: 0, held: 0 }) })
 * held.get(stock.at('LAMP'))
 */
export function entity<State>(name: string, { initial, constant }: EntityRules<State>): StateKind<State> {
  const kind: StateKind<State> = {
    name,
    initial,
    streamed: false,
    ...(constant === undefined ? undefined : { constant: constantField(constant) }),
    at: (key: string): Ref<State> => ({ kind, key }),
  }
  return kind
}
