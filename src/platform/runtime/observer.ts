// What the runtime tells telemetry: counts and times in bulk, once a batch.
import type { Cursor } from './channels.ts'
import type { Round } from './round.ts'

/** What a batch did, for metrics and logs. */
export interface Observer {
  /** A batch was committed after `durationMs`. */
  committed(round: Round, durationMs: number): void
  /** A batch met another's write and runs again. */
  conflicted(reason: string): void
  /** A record, answer or timer failed; the message holds no personal data. */
  fault(what: { readonly group: string; readonly position: string; readonly type: string }, error: unknown): void
  /** A cursor stands still and needs a look. */
  alarm(cursor: Cursor, message: string): void
  /** The store can't be used at present. */
  storeDown(error: Error): void
  storeUp(): void
}

export const silentObserver: Observer = {
  committed: () => undefined,
  conflicted: () => undefined,
  fault: () => undefined,
  alarm: () => undefined,
  storeDown: () => undefined,
  storeUp: () => undefined,
}
