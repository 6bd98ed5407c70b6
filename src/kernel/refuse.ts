// Refusals: what the business says no to, by a stable code. Never retried, never a fault.

/** What a code means to a caller; `status` is the HTTP answer. */
export interface CodeMeaning {
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 415 | 422 | 429 | 500 | 503
  /** One sentence: what happened and what to do next. */
  readonly title: string
  /** The rule may be about a copy that is still catching up: the command waits for it before it is refused. */
  readonly mayCatchUp?: true
}

export type CodeTable = Readonly<Record<string, CodeMeaning>>

export type RefusalDetails = Readonly<Record<string, string | number | boolean | readonly string[]>>

/** Thrown by `refuse`; carries the code and what it is about, never a stack to a caller. */
export class Refusal extends Error {
  readonly code: string
  readonly details: RefusalDetails

  constructor(code: string, details: RefusalDetails = {}) {
    super(code)
    this.name = 'Refusal'
    this.code = code
    this.details = details
  }
}

/**
 * Refuses a command when the condition holds.
 *
 * @throws {Refusal}
 * @example
 * refuse(items.length === 0, 'ORDER_EMPTY')
 */
export function refuse(condition: boolean, code: string, details: RefusalDetails = {}): void {
  if (condition) throw new Refusal(code, details)
}
