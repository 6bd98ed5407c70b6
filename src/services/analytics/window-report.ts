// A window as lines of text: printed while serving, and at the end of the demo.
import type { WindowView } from './read-windows.ts'

const NAME_WIDTH = 15

/** One line a subject; revenue one line a currency. */
export function windowReport(window: WindowView): string[] {
  const { orders, stock, notifications } = window
  const reasons = Object.entries(orders.cancelledBy).filter(([, count]) => count > 0)
  const why =
    reasons.length === 0 ? '' : ` (${reasons.map(([reason, count]) => `${reason} ${number(count)}`).join(', ')})`
  const ended = orders.confirmed + orders.cancelled + orders.failed
  return [
    `Window ${minuteOf(window.start)} to ${minuteOf(window.end)} UTC`,
    line(
      'orders',
      `${number(orders.created)} created, ${number(orders.confirmed)} confirmed, ` +
        `${number(orders.cancelled)} cancelled${why}, ` +
        `${number(orders.failed)} failed, ${number(orders.returned)} returned`,
    ),
    line('conversion', `${percent(orders.conversion)} of ${number(ended)} that ended`),
    ...window.revenue.map(({ currency, placed, confirmed, lost, returned, pending }) =>
      line(
        `revenue ${currency}`,
        `${placed} placed, ${confirmed} confirmed, ${lost} lost, ${returned} returned, ${pending} pending`,
      ),
    ),
    line('stock', `${number(stock.onHand)} on hand, ${number(stock.held)} held, ${number(stock.available)} available`),
    line(
      'notifications',
      `${number(notifications.sent)} sent, ${number(notifications.failed)} failed, ` +
        `${percent(notifications.successRate)} sent`,
    ),
    line('events', `${number(window.events)}, ${number(window.eventsPerHour)} an hour, ${number(window.late)} late`),
  ]
}

function line(name: string, text: string): string {
  return `  ${name.padEnd(NAME_WIDTH)}${text}`
}

function minuteOf(moment: string): string {
  return moment.slice(0, '2026-11-21T09:30'.length).replace('T', ' ')
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}

function percent(share: number | null): string {
  return share === null ? '-' : `${(share * 100).toFixed(1)} %`
}
