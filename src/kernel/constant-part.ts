// The field of a state that never changes once it is set: written once instead of with every change.
import type { ConstantPart } from './handler.ts'

/**
 * One field of the state as its constant part.
 *
 * An order's document was a kilobyte, nine tenths of it what was placed, and was written three times: 5 % of a saga.
 */
export function constantField(name: string): ConstantPart {
  return {
    of: (state) => (state as Readonly<Record<string, unknown>>)[name],
    // JSON leaves out what is undefined; a copy that leaves the field out itself takes three times as long.
    without: (state) => ({ ...(state as object), [name]: undefined }),
    join: (changing, constant) => ({ ...(changing as object), [name]: constant }),
  }
}

/** The same inside the document of an aggregate, which holds its state under `state`. */
export function constantFieldOfSnapshot(name: string): ConstantPart {
  const field = constantField(name)
  const inner = (snapshot: unknown) => snapshot as { readonly events: number; readonly state: unknown }
  return {
    of: (snapshot) => field.of(inner(snapshot).state),
    without: (snapshot) => ({ events: inner(snapshot).events, state: field.without(inner(snapshot).state) }),
    join: (snapshot, constant) => {
      return { events: inner(snapshot).events, state: field.join(inner(snapshot).state, constant) }
    },
  }
}
