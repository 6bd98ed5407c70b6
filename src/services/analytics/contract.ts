// What analytics publishes: nothing, it only listens; and how it cuts time.
import { contract } from '../../kernel/message.ts'
import type { CodeTable } from '../../kernel/refuse.ts'

/** Its topics stay empty; they are declared like every service's, so that no list has to make an exception. */
export const analyticsContract = contract('analytics')

/** Nothing is refused here but what does not fit a route's schemas. */
export const analyticsCodes = {} as const satisfies CodeTable

export const WINDOW_MS = 5 * 60_000

/**
 * How long after the end of its own window a record may be appended before it counts as late. Windows follow the append
 * time, so nothing ever changes a window that is over; `late` counts the records whose own time lies so far back that
 * a reader who thinks of that time finds them in the wrong window. It is a property of the record alone: a replay
 * counts the same.
 */
export const GRACE_MS = 60_000
