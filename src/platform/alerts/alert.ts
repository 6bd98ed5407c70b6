// What somebody outside is told of: that a person is needed, where to look, and nothing of what a message says.

/**
 * - dead-letters: messages were given up. dead-letters-kept: some are too old to stay, and still hold their key.
 * - parked-limit: no more may be parked, so a partition stands still. stopped: it stands still for another reason.
 * - gap: a record is missing in a log. source-went-back: a log goes on as another incarnation.
 * - handler-paused: a handler failed for many keys, and its messages wait until it works again.
 */
export const ALERT_KINDS = [
  'dead-letters',
  'dead-letters-kept',
  'parked-limit',
  'stopped',
  'gap',
  'source-went-back',
  'handler-paused',
] as const
export type AlertKind = (typeof ALERT_KINDS)[number]

export interface Alert {
  readonly what: AlertKind
  readonly group: string
  readonly topic?: string | undefined
  /** Left out where it is about several. */
  readonly partition?: number | undefined
  readonly handler?: string | undefined
  readonly code?: string | undefined
  /** Names places and counts, never a key or a body. */
  readonly detail?: string | undefined
  /** How often it happened since it was told last. */
  readonly count: number
  readonly firstAt: number
  readonly lastAt: number
}

/** How often one cause may be told: whoever is woken once a minute does not mute it. */
export const TOLD_AGAIN_AFTER_MS = 60_000

/** Alerts of one cause are told together. */
export function causeOf({ what, group, topic = '', partition = -1, handler = '', code = '' }: Alert): string {
  return JSON.stringify([what, group, topic, partition, handler, code])
}

/** Two alerts of one cause as one. */
export function together(one: Alert, other: Alert): Alert {
  return {
    ...other,
    count: one.count + other.count,
    firstAt: Math.min(one.firstAt, other.firstAt),
    lastAt: Math.max(one.lastAt, other.lastAt),
  }
}

/** The body of the call; `text` is one line for people, in the field that chat programs show. */
export function alertBody(alert: Alert): string {
  const { firstAt, lastAt, ...facts } = alert
  const moments = { firstAt: new Date(firstAt).toISOString(), lastAt: new Date(lastAt).toISOString() }
  return JSON.stringify({ ...facts, ...moments, path: pathOf(alert), text: textOf(alert) })
}

/** Where to look, below the address of the server. */
function pathOf({ what, group, topic, handler, code }: Alert): string {
  if (!what.startsWith('dead-letters')) return '/health'
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries({ group, topic, handler, code })) {
    if (value !== undefined) query.set(name, value)
  }
  return `/v1/ops/dead-letters?${query.toString()}`
}

function textOf({ what, group, topic, partition, handler, code, detail, count }: Alert): string {
  const place = [topic, partition].filter((part) => part !== undefined).join('/')
  const where = place === '' ? group : `${group} at ${place}`
  const why = [handler, code].filter((part) => part !== undefined).join(': ')
  const facts = [why, detail].filter((part) => part !== undefined && part !== '').join('; ')
  return `Lonja: ${what} in ${where}, ${count === 1 ? 'once' : `${count} times`}${facts === '' ? '' : ` (${facts})`}`
}
