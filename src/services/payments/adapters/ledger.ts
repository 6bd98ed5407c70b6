// What the simulated gateway holds of each order's money; an order is never given back more than it paid.
import { forgetOldest } from '../../../kernel/simulated.ts'

/** In minor units of the currency. */
export interface LedgerEntry {
  readonly orderId: string
  readonly currency: string
  readonly capturedMinor: bigint
  readonly refundedMinor: bigint
}

interface Booking {
  readonly orderId: string
  readonly currency: string
  readonly minor: bigint
}

export class Ledger {
  readonly #entries = new Map<string, LedgerEntry>()
  readonly #limit: number

  /** @param limit how many orders it keeps, the newest; up to a tenth more. */
  constructor(limit: number) {
    this.#limit = limit
  }

  capture({ orderId, currency, minor }: Booking): void {
    const before = this.#entries.get(orderId)
    const capturedMinor = (before?.capturedMinor ?? 0n) + minor
    this.#entries.set(orderId, { orderId, currency, capturedMinor, refundedMinor: before?.refundedMinor ?? 0n })
    forgetOldest(this.#entries, this.#limit)
  }

  /** @returns false when it would be more than was captured. An order of before a restart is unknown, and believed. */
  refund({ orderId, minor }: Booking): boolean {
    const before = this.#entries.get(orderId)
    if (before === undefined) return true
    const refundedMinor = before.refundedMinor + minor
    if (refundedMinor > before.capturedMinor) return false
    this.#entries.set(orderId, { ...before, refundedMinor })
    return true
  }

  entries(): LedgerEntry[] {
    return [...this.#entries.values()]
  }

  balanceOf(orderId: string): bigint {
    const entry = this.#entries.get(orderId)
    return entry === undefined ? 0n : entry.capturedMinor - entry.refundedMinor
  }
}
