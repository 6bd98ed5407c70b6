// Reads what a running Lonja says of itself under /metrics, and waits there until nothing is left to do.

export interface Meters {
  readonly statements: number
  readonly cpuMicros: number
  /** Batches that committed, and the time from their begin to their commit. */
  readonly transactions: number
  readonly transactionSeconds: number
  /** Batches that did not commit, by reason: conflict, fault, unavailable. */
  readonly interrupted: Readonly<Record<string, number>>
  /** Records that groups have still to read or Kafka has still to get, and calls to the outside without an answer. */
  readonly underWay: number
}

/** How many keys are parked in all groups. */
export async function readParkedKeys(address: string): Promise<number> {
  return (await readSums(address))('lonja_parked_keys')
}

/** Sums over all series of a metric whose labels hold the text. */
type Sums = (name: string, label?: string) => number

async function readSums(address: string): Promise<Sums> {
  const answer = await fetch(`${address}/metrics`)
  if (!answer.ok) throw new Error(`/metrics was answered ${answer.status}.`)
  const lines = (await answer.text()).split('\n')
  return (name, label = '') =>
    lines
      .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(label))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0)
}

const SETTLE_LIMIT_MS = 60_000
const LOOK_EVERY_MS = 20

export async function readMeters(address: string): Promise<Meters> {
  const sum = await readSums(address)
  const reasons = ['conflict', 'fault', 'unavailable']
  const ofReason = (reason: string): number => sum('lonja_batches_interrupted_total', `reason="${reason}"`)
  return {
    statements: sum('lonja_sql_statements_total'),
    transactions: sum('lonja_transaction_seconds_count'),
    transactionSeconds: sum('lonja_transaction_seconds_sum'),
    cpuMicros: sum('lonja_process_cpu_seconds_total') * 1e6,
    interrupted: Object.fromEntries(reasons.map((reason) => [reason, ofReason(reason)])),
    underWay: sum('lonja_group_lag_records') + sum('lonja_open_effects') + sum('lonja_relay_backlog_records'),
  }
}

/** @returns the meters of the first look that found nothing under way. @throws when orders stay unsettled. */
export async function settle(address: string): Promise<Meters> {
  const limit = performance.now() + SETTLE_LIMIT_MS
  for (;;) {
    const meters = await readMeters(address)
    if (meters.underWay === 0) return meters
    if (performance.now() > limit) throw new Error(`Orders are not settled: ${meters.underWay} records or calls wait.`)
    await new Promise((resolve) => void setTimeout(resolve, LOOK_EVERY_MS))
  }
}
