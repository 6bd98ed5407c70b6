// What the bench asks of the two programs that feed orders, the server's own process and the load generator.

/** One round of feeding: it ends after so many orders or so many seconds. */
export interface FeedPlan {
  readonly orders?: number
  readonly seconds?: number
  /** Orders a second, in random gaps, whatever was answered; undefined sends as fast as answers come. */
  readonly perSecond?: number
  /** Each caller waits until his order is confirmed (`Prefer: wait`). */
  readonly waits?: boolean
}

export interface Fed {
  readonly orders: number
  /** From the moment when each order was due to its answer, in milliseconds; of the load generator only. */
  readonly answeredMs?: { readonly p50: number; readonly p99: number }
  /** What the load generator itself took of the cores. */
  readonly loadCores?: number
}

/** What came of a rebuild of the order list. */
export interface Rebuilt {
  readonly events: number
  /** Until all events were folded. */
  readonly foldedMs: number
  /** Until the new table had been compared and was live. */
  readonly liveMs: number
  readonly differences: number
}

/** To a program. */
export type Ask = { readonly feed: FeedPlan } | { readonly rebuild: string }

/** From a program; `progress` comes in between. */
export type Told =
  | { readonly address: string }
  | { readonly progress: number }
  | { readonly fed: Fed }
  | { readonly rebuilt: Rebuilt }
  | { readonly failed: string }

/** Obeys one ask after the other; the end of the channel ends the process. */
export function obey(work: (ask: Ask, progress: (orders: number) => void) => Promise<Told>): void {
  const tell = (told: Told): void => void process.send?.(told)
  process.on('message', (ask: Ask) => {
    work(ask, (progress) => tell({ progress })).then(tell, (error: unknown) => tell({ failed: String(error) }))
  })
}

/** Calls often enough for a person to see that it goes on. */
export function createProgress(tell: (orders: number) => void): (orders: number) => void {
  let toldAtMs = performance.now()
  return (orders) => {
    if (performance.now() - toldAtMs < 1000) return
    toldAtMs = performance.now()
    tell(orders)
  }
}
