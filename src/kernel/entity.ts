// Entities: small documents by key, changed only by the handlers of their own service.
import type { Ref, StateKind } from './handler.ts'

/** Declares a kind of document. `name` is its table's name, for ever. */
export function entity<State>(name: string, { initial }: { readonly initial: () => State }): StateKind<State> {
  const kind: StateKind<State> = { name, initial, streamed: false, at: (key: string): Ref<State> => ({ kind, key }) }
  return kind
}
