// Runs a batch until it is committed: conflicts run it again whole, a value that the store refuses takes it apart.
import type { Projection } from '../../kernel/projection.ts'
import type { Clock, Locks, Store, Table } from '../ports.ts'
import { CommitUnknown, Conflict, StoreUnavailable } from '../ports.ts'
import type { Channel, Channels } from './channels.ts'
import type { DocumentCache } from './document-cache.ts'
import type { Input } from './inputs.ts'
import type { Observer } from './observer.ts'
import type { Parking } from '../parking/parking.ts'
import type { Retry } from '../parking/retry.ts'
import type { Hand } from '../takeover/hand.ts'
import type { Registry } from './registry.ts'
import type { Batch, FailedTimer, Fault } from './round-context.ts'
import { Round } from './round.ts'

/** Conflicts in a row before the batch is taken apart: by then it is no race but a row that can never be written. */
const MAX_CONFLICTS = 8

export const NOTHING: Batch = { inputs: [], backlog: [], timers: [], retries: [] }

/** A part that can't be committed even alone. */
export type PartFailure = { readonly input: Input; readonly error: unknown } | Fault | FailedTimer | FailedRetry

/** A retry that met another's writes again and again. */
export interface FailedRetry {
  readonly retry: Retry
  readonly error: unknown
}

export interface BatchRunnerOptions {
  readonly registry: Registry
  readonly store: Store
  readonly clock: Clock
  readonly observer: Observer
  readonly channels: Channels
  readonly newId: () => string
  readonly cache: DocumentCache | undefined
  readonly strict?: boolean
  readonly isOurs: (channel: Channel) => boolean
  readonly liveTable: (service: string, projection: Projection) => Table
  readonly parking: Parking
  readonly hand: Hand
  /** Memory read again after somebody else wrote, and what is left to do. */
  readonly afresh: (inputs: readonly Input[]) => Promise<Batch>
  readonly committed: (round: Round) => void
  readonly failed: (failure: PartFailure) => void
}

export class BatchRunner {
  readonly #options: BatchRunnerOptions
  #lastTransaction = 0

  constructor(options: BatchRunnerOptions) {
    this.#options = options
  }

  /**
   * Commits the batch whole, or what of it can be committed.
   *
   * @returns whether there was nothing to do.
   * @throws {StoreUnavailable} {CommitUnknown}
   */
  async commit(batch: Batch): Promise<boolean> {
    try {
      return await this.#untilCommitted(batch, true)
    } catch (error) {
      if (isStoreFailure(error)) throw error
      await this.#takeApart(batch.inputs)
      return false
    }
  }

  /** A conflict is no fault: memory is read again and the whole batch runs again. */
  async #untilCommitted(first: Batch, cascades: boolean): Promise<boolean> {
    let batch = first
    let locks: readonly Locks[] = []
    for (let conflicts = 0; ; conflicts += 1) {
      const { round, conflict } = await this.#try(batch, { locks, cascades })
      if (conflict === undefined) return round.isEmpty
      if (conflicts >= MAX_CONFLICTS) throw conflict
      // The next try waits for its rows in order instead of racing for them again.
      locks = round.locks()
      const left = await this.#options.afresh(batch.inputs)
      batch = cascades ? left : { ...batch, inputs: left.inputs }
    }
  }

  async #try(
    batch: Batch,
    { locks, cascades }: { readonly locks: readonly Locks[]; readonly cascades: boolean },
  ): Promise<{ readonly round: Round; readonly conflict: Conflict | undefined }> {
    const { store, observer, clock, committed } = this.#options
    const startedAt = clock.now()
    const transaction = await store.begin(locks)
    this.#lastTransaction = Math.max(this.#lastTransaction + 1, startedAt * 1000)
    const context = { ...this.#options, now: startedAt, transaction: this.#lastTransaction, cascades }
    const round = new Round({ strict: false, ...context }, transaction)
    try {
      await round.run(batch)
      if (!round.isEmpty) round.applied(await transaction.commit(round.plan()))
    } catch (error) {
      if (!(error instanceof Conflict)) throw error
      observer.conflicted(error.message)
      return { round, conflict: error }
    } finally {
      await transaction.release()
    }
    committed(round)
    observer.committed(round, clock.now() - startedAt)
    return { round, conflict: undefined }
  }

  /** Each part alone and without a cascade, so that the unsound one costs only itself. */
  async #takeApart(inputs: readonly Input[]): Promise<void> {
    for (const input of inputs) await this.alone({ ...NOTHING, inputs: [input] }, (error) => ({ input, error }))
    const { backlog, timers, retries } = await this.#options.afresh([])
    for (const retry of retries) await this.retryAlone({ ...retry, messages: retry.messages.slice(0, 1) })
    for (const { cursor, records } of backlog) {
      const [record] = records
      if (record === undefined) continue
      const first = { ...NOTHING, backlog: [{ cursor, records: [record] }] }
      await this.alone(first, (error) => ({ cursor, record, error }))
    }
    for (const timer of timers) await this.alone({ ...NOTHING, timers: [timer] }, (error) => ({ timer, error }))
  }

  /** A parked message whose outcome the store refuses has failed, as if its handler had thrown. */
  async retryAlone(retry: Retry): Promise<void> {
    await this.alone(
      { ...NOTHING, retries: [retry] },
      (error) => ({ retry, error }),
      (error) => {
        if (error instanceof Conflict) return undefined
        return { ...NOTHING, retries: [{ ...retry, refused: error }] }
      },
    )
  }

  /**
   * Commits a batch of one part, without a cascade.
   *
   * @param instead what to commit in place of a batch that can't be.
   */
  async alone(
    batch: Batch,
    failureOf: (error: unknown) => PartFailure,
    instead?: (error: unknown) => Batch | undefined,
  ): Promise<void> {
    try {
      await this.#untilCommitted(batch, false)
    } catch (error) {
      if (isStoreFailure(error)) throw error
      const other = instead?.(error)
      if (other === undefined) this.#options.failed(failureOf(error))
      else await this.alone(other, failureOf)
    }
  }
}

function isStoreFailure(error: unknown): boolean {
  return error instanceof StoreUnavailable || error instanceof CommitUnknown
}
