// What analytics publishes: nothing; it only listens.
import { contract } from '../../kernel/message.ts'
import type { CodeTable } from '../../kernel/refuse.ts'

export const analyticsContract = contract('analytics')

export const analyticsCodes = {} as const satisfies CodeTable
