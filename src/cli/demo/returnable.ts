// What a client may still return: per SKU newest first over his confirmed orders, over several where needed.

export interface Pieces {
  readonly sku: string
  readonly quantity: number
}

export interface Allotment {
  /** What goes back, by the order that it was bought with. */
  readonly byOrder: ReadonlyMap<string, readonly Pieces[]>
  /** What no confirmed order of the client's holds. */
  readonly unmatched: readonly Pieces[]
}

interface Bought {
  readonly orderId: string
  /** Pieces not returned yet, by SKU. */
  readonly left: Map<string, number>
}

export class Returnable {
  readonly #byClient = new Map<string, Bought[]>()

  /** Takes note of a confirmed order; two items of one SKU are one. */
  bought(clientId: string, orderId: string, items: readonly Pieces[]): void {
    const left = new Map<string, number>()
    for (const { sku, quantity } of items) left.set(sku, (left.get(sku) ?? 0) + quantity)
    const orders = this.#byClient.get(clientId)
    if (orders === undefined) this.#byClient.set(clientId, [{ orderId, left }])
    else orders.push({ orderId, left })
  }

  /** Says which orders the pieces go back to; they are taken off what may be returned later. */
  take(clientId: string, items: readonly Pieces[]): Allotment {
    const orders = this.#byClient.get(clientId) ?? []
    const byOrder = new Map<string, Pieces[]>()
    const unmatched: Pieces[] = []
    for (const { sku, quantity } of items) {
      let missing = quantity
      for (const { orderId, left } of orders.toReversed()) {
        const pieces = Math.min(missing, left.get(sku) ?? 0)
        if (pieces === 0) continue
        missing -= pieces
        left.set(sku, (left.get(sku) ?? 0) - pieces)
        byOrder.set(orderId, [...(byOrder.get(orderId) ?? []), { sku, quantity: pieces }])
      }
      if (missing > 0) unmatched.push({ sku, quantity: missing })
    }
    return { byOrder, unmatched }
  }
}
