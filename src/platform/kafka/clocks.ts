// Compares clocks: limits of sagas over Kafka go by the databases' clocks, and brokers refuse records of the future.

/** Where another clock stands against this process's, in milliseconds: above 0 is ahead. */
export interface ClockSkew {
  /** Such as "the database of orders, payments". */
  readonly whose: string
  readonly aheadMs: number
  /** More than this is told. */
  readonly toleratedMs: number
  /** What a wrong clock does there. */
  readonly effect: string
}

/** Limits that wait for answers over Kafka add one second for clocks that differ. */
export const DATABASE_TOLERANCE_MS = 1000
/** Brokers take records up to an hour ahead (`message.timestamp.after.max.ms`); a minute is wrong, and harmless yet. */
export const BROKER_TOLERANCE_MS = 60_000

/**
 * @param asked what our own clock said before and after the question: the answer was given in between.
 * @returns how far it is ahead at least, or behind at least: 0 where it may be right.
 */
export function skewOf(theirsMs: number, asked: { readonly from: number; readonly to: number }): number {
  if (theirsMs > asked.to) return theirsMs - asked.to
  return Math.min(0, theirsMs - asked.from)
}

/** A sentence for each clock that is too far off. */
export function clockTexts(skews: readonly ClockSkew[]): readonly string[] {
  return skews.flatMap(({ whose, aheadMs, toleratedMs, effect }) => {
    if (Math.abs(aheadMs) <= toleratedMs) return []
    return [
      `the clock of ${whose} is ${spanOf(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} ours: ${effect}`,
    ]
  })
}

/** Such as `3.0 h`, `12 min` or `1.5 s`. */
export function spanOf(ms: number): string {
  if (ms >= 3_600_000) return `${(ms / 3_600_000).toFixed(1)} h`
  if (ms >= 120_000) return `${Math.round(ms / 60_000)} min`
  return `${(ms / 1000).toFixed(1)} s`
}
