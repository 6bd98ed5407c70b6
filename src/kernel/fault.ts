// Faults: what goes wrong in a handler without being an outcome or a refusal, and which of it can pass by itself.

/**
 * - transient: may succeed later, so it is tried again with growing pauses before it is given up.
 * - permanent: the same code meets the same message again and fails again; only a person or new code helps.
 * - undecodable: the body is not what its contract says.
 * - unknown: a type or version that this program has never heard of.
 */
export type FaultClass = 'transient' | 'permanent' | 'undecodable' | 'unknown'

/** Classes by an error's code or, where it has none that is listed, by its name. A service may extend it. */
export type FaultTable = Readonly<Record<string, FaultClass>>

/** What everybody agrees on. A refusal inside a message handler has no caller to hear it and would only be repeated. */
export const FAULTS: FaultTable = {
  Refusal: 'permanent',
  AssertionError: 'permanent',
  ERR_ASSERTION: 'permanent',
  TypeError: 'permanent',
  ReferenceError: 'permanent',
  RangeError: 'permanent',
  SyntaxError: 'permanent',
  ZodError: 'undecodable',
  ProcessDied: 'permanent',
  HandlerHung: 'permanent',
  UnknownMessage: 'unknown',
}

/** A message of a type that no contract of this program declares. */
export class UnknownMessage extends Error {
  override readonly name = 'UnknownMessage'
}

/** A message that was in hand when its process died, after others had died at the same place. */
export class ProcessDied extends Error {
  override readonly name = 'ProcessDied'
}

/** A message whose handler never came back: the watchdog ended the process. */
export class HandlerHung extends Error {
  override readonly name = 'HandlerHung'
}

/** The class of anything thrown; what nobody listed may pass by itself. */
export function faultClassOf(error: unknown, table: FaultTable): FaultClass {
  const { code, name } = nameOf(error)
  return (code === undefined ? undefined : table[code]) ?? table[name] ?? 'transient'
}

/** The stable name of a fault: what dead letters of the same cause are grouped by. */
export function faultCodeOf(error: unknown): string {
  const { code, name } = nameOf(error)
  return code ?? name
}

/** Codes such as ECONNREFUSED or ORDER_EMPTY; anything longer or stranger could be somebody's name. */
const WORD = /^\w{1,60}$/u

function nameOf(error: unknown): { readonly code: string | undefined; readonly name: string } {
  if (!(error instanceof Error)) return { code: undefined, name: typeof error }
  const { code } = error as { readonly code?: unknown }
  return {
    code: typeof code === 'string' && WORD.test(code) ? code : undefined,
    name: WORD.test(error.name) ? error.name : 'Error',
  }
}
