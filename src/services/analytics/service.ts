// The analytics service at a glance: what happened, in windows and by day.
import { service } from '../../kernel/service.ts'
import { analyticsCodes, analyticsContract } from './contract.ts'
import { days } from './days.projection.ts'
import { analyticsRoutes } from './routes.ts'
import { windows } from './windows.projection.ts'

export const analytics = service({
  name: 'analytics',
  summary: 'What happened, in windows of five minutes and by day.',
  contract: analyticsContract,
  codes: analyticsCodes,
  publishes: [],
  projections: [windows, days],
  routes: analyticsRoutes,
  // One event that can not be counted must not keep an order's others out of the windows.
  parking: { projections: { whenDead: 'skip' } },
})
