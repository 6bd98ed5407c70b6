// Alarms on their way to the webhook: coalesced by cause, tried until they are taken, and in nobody's way.
import type { Clock } from '../ports.ts'
import type { SendAlert } from './alert-call.ts'
import type { Alert } from './alert.ts'
import { TOLD_AGAIN_AFTER_MS, causeOf, together } from './alert.ts'

/** Causes that wait; a partition that stands still raises its alarm again, so what is beyond is not lost for good. */
const MAX_PENDING = 200
const RETRY_BASE_MS = 1000
const RETRY_MAX_MS = 60_000

/** How long to wait after so many failures in a row. */
export function alertRetryMs(failures: number): number {
  return Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** (failures - 1))
}

export interface AlarmQueueOptions {
  readonly clock: Clock
  readonly send: SendAlert
  /** Told of each call that was not taken. */
  readonly failed: (error: unknown, retryMs: number) => void
  readonly dropped: (alert: Alert) => void
}

/** Kept in memory: whatever still stands still after a restart raises its alarm again. */
export class AlarmQueue {
  readonly #options: AlarmQueueOptions
  readonly #pending = new Map<string, Alert>()
  /** When each cause was told last; forgotten once it may be told again. */
  readonly #toldAt = new Map<string, number>()
  #failures = 0
  #retryAt = 0
  #isBusy = false
  #isStopped = false
  #cancel: (() => void) | undefined

  constructor(options: AlarmQueueOptions) {
    this.#options = options
  }

  raise(alert: Alert): void {
    const cause = causeOf(alert)
    const before = this.#pending.get(cause)
    if (before === undefined && this.#pending.size >= MAX_PENDING) {
      this.#options.dropped(alert)
      return
    }
    this.#pending.set(cause, before === undefined ? alert : together(before, alert))
    if (!this.#isBusy) this.#arm()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  /** Waits for the first cause that may be told; never within the caller's own turn. */
  #arm(): void {
    this.#cancel?.()
    this.#cancel = undefined
    if (this.#isStopped || this.#pending.size === 0) return
    const now = this.#options.clock.now()
    const earliest = Math.min(...[...this.#pending.keys()].map((cause) => this.#dueOf(cause)))
    const waitMs = Math.max(0, earliest - now, this.#retryAt - now)
    this.#cancel = this.#options.clock.after(waitMs, () => void this.#tell())
  }

  #dueOf(cause: string): number {
    const toldAt = this.#toldAt.get(cause)
    return toldAt === undefined ? 0 : toldAt + TOLD_AGAIN_AFTER_MS
  }

  async #tell(): Promise<void> {
    this.#isBusy = true
    const now = this.#options.clock.now()
    for (const [cause, toldAt] of this.#toldAt) if (toldAt + TOLD_AGAIN_AFTER_MS <= now) this.#toldAt.delete(cause)
    for (const cause of [...this.#pending.keys()].filter((each) => this.#dueOf(each) <= now)) {
      if (this.#isStopped || !(await this.#tellOf(cause, now))) break
    }
    this.#isBusy = false
    this.#arm()
  }

  async #tellOf(cause: string, now: number): Promise<boolean> {
    const alert = this.#pending.get(cause)
    if (alert === undefined) return true
    this.#pending.delete(cause)
    try {
      await this.#options.send(alert)
    } catch (error) {
      if (this.#isStopped) return false
      const since = this.#pending.get(cause)
      this.#pending.set(cause, since === undefined ? alert : together(alert, since))
      this.#failures += 1
      const retryMs = alertRetryMs(this.#failures)
      this.#retryAt = this.#options.clock.now() + retryMs
      this.#options.failed(error, retryMs)
      return false
    }
    this.#failures = 0
    this.#toldAt.set(cause, now)
    return true
  }
}
