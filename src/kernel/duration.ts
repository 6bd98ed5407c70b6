// Durations as people write them: '250 ms', '30 s', '5 min', '1 h', '2 d'.

const UNIT_MS = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const

export type Duration = `${number} ${keyof typeof UNIT_MS}`

/**
 * A duration in milliseconds.
 *
 * @throws when the text is no duration.
 * @example
 * milliseconds('5 min') // 300000
 */
export function milliseconds(duration: Duration): number {
  const [amount, unit] = duration.split(' ')
  const factor = UNIT_MS[unit as keyof typeof UNIT_MS]
  const value = Number(amount) * factor
  if (!Number.isFinite(value) || value < 0) throw new Error(`'${duration}' is no duration: write it like '30 s'.`)
  return value
}
