// What the HTTP server and the command line ask of the running application.
import type { Message } from '../kernel/message.ts'
import type { Held } from '../kernel/handler.ts'
import type { Deed, Reader, Reply, Role } from '../kernel/route.ts'
import type { Service } from '../kernel/service.ts'

/** One command from outside, with everything that makes its answer repeatable. */
export interface Submission {
  readonly service: string
  readonly command: Message
  /** Makes the answer inside the transaction, from the states that the command's handler named. */
  readonly reply: (held: Held) => Reply
  readonly principal: string
  readonly role: Role
  /** (principal, route, key); the same scope gets the same answer. Undefined: the runtime makes one of its own. */
  readonly scope: string | undefined
  /** Hash of method, path and body: another body under the same key is refused. */
  readonly bodyHash: string
  readonly traceparent: string | undefined
  /** What the audit tells of it, in the same transaction; a refused command did nothing and leaves no entry. */
  readonly deed?: Deed | undefined
}

/** The state of one part, for `/health`. */
export interface PartHealth {
  readonly part: string
  readonly status: 'healthy' | 'degraded' | 'unhealthy'
  readonly detail: string
}

/** How far one consumer group has read one partition. */
export interface GroupLag {
  readonly group: string
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly next: number
  readonly head: number
  readonly stopped: string | undefined
  /** Why each record is handled by itself, where processes died over them. */
  readonly oneByOne?: string | undefined
  /** What kind of thing it stands still for by itself, such as `breaker`. */
  readonly stoppedFor?: string | undefined
  /** Who paused it, since when and why. */
  readonly paused?: string | undefined
  /** Another process works on it: this one's `next` is as old as its last look, and its metrics leave it out. */
  readonly elsewhere?: boolean | undefined
}

export interface Application {
  readonly services: readonly Service[]
  now(): number
  newId(): string
  /**
   * Runs the command in the next batch and answers after its commit.
   *
   * @throws {Refusal} as the handler refused (stored: a repetition throws the same); IDEMPOTENCY_KEY_REUSED when the
   * same scope came with another body.
   * @throws {StoreUnavailable} when the store can't be used; {Overloaded} when too many commands wait.
   */
  submit(submission: Submission): Promise<Reply>
  /** Reads of one service. */
  reader(service: string): Reader
  /** Resolves after the next commit that touched the correlation, or after the limit. */
  changed(correlation: string, limitMs: number): Promise<void>
  health(): Promise<readonly PartHealth[]>
  lags(): Promise<readonly GroupLag[]>
}

/** What a command led to is larger than the log takes; the message says of what kind it is and how large it may be. */
export class RecordTooLarge extends Error {
  override readonly name = 'RecordTooLarge'
}

/** More commands wait than the limit; the caller should come back later. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded'
}
