// What became of the mails: each notification has one Message-ID, and comes at most twice but where processes died.
import { writeLetter } from '../../src/services/notifications/templates.ts'
import type { Notification } from '../../src/services/notifications/notification.ts'
import type { Arrived } from './mail-server.ts'
import { reading } from './verdict.ts'

/** A mail is sent once more when its answer does not come within five seconds, or its process ends before it comes. */
const COPIES_LIMIT = 2

/** A time in which copies may have been made, by `performance.now()`. */
export interface Disturbance {
  readonly fromMs: number
  readonly toMs: number
  /** How many processes ended in it: each may have had the same mail under way. */
  readonly ends: number
}

export interface MailReckoning {
  readonly mails: number
  readonly repeated: number
  readonly mostCopies: number
  readonly problems: readonly string[]
}

/** @param store where the notifications are that say that they were sent. */
export async function reckonMails(
  store: string,
  arrived: readonly Arrived[],
  disturbances: readonly Disturbance[],
): Promise<MailReckoning> {
  const byMessage = Map.groupBy(arrived, ({ messageId }) => messageId)
  // What a client is told once: his welcome, or one thing about one of his orders.
  const byNotification = Map.groupBy(arrived, ({ to, subject }) => `${subject} (${to})`)
  const problems: string[] = []
  for (const [name, copies] of byNotification) {
    const ids = new Set(copies.map(({ messageId }) => messageId))
    if (ids.size > 1) problems.push(`"${name}" was sent under ${ids.size} Message-IDs`)
  }
  for (const [messageId, copies] of byMessage) {
    const explained = Math.max(COPIES_LIMIT, 1 + endedProcesses(copies, disturbances))
    if (copies.length > explained) problems.push(`the mail ${messageId} came ${copies.length} times, not ${explained}`)
  }
  const subjects = new Set(arrived.map(({ subject }) => subject))
  for (const subject of await subjectsSent(store)) {
    if (!subjects.has(subject)) problems.push(`"${subject}" counts as sent and never came`)
  }
  const counts = [...byMessage.values()].map((copies) => copies.length)
  return {
    mails: byMessage.size,
    repeated: counts.filter((count) => count > 1).length,
    mostCopies: Math.max(0, ...counts),
    problems,
  }
}

function endedProcesses(copies: readonly Arrived[], disturbances: readonly Disturbance[]): number {
  const first = copies[0]?.atMs ?? 0
  const last = copies.at(-1)?.atMs ?? 0
  const between = disturbances.filter(({ fromMs, toMs }) => fromMs <= last && toMs >= first)
  // Not the sum: what was under way at one fault has ended before the next.
  return Math.max(0, ...between.map(({ ends }) => ends))
}

function subjectsSent(store: string): Promise<readonly string[]> {
  return reading(store, async (lonja) => {
    const reader = lonja.reader('notifications')
    const rows = await reader.rows<{ readonly state: string }>('SELECT state FROM {notification}')
    const notifications = rows.map(({ state }) => JSON.parse(state) as Notification)
    return notifications.filter(({ status }) => status === 'sent').map(({ letter }) => writeLetter(letter, '').subject)
  })
}
