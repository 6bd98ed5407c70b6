// `lonja serve`: runs the services until a signal ends it.
import { startApp, type App } from '../app.ts'
import { systemClock } from '../platform/system.ts'
import { EXIT, noWords, type Call } from './command.ts'
import { giveBackWhenIdle } from './idle-memory.ts'
import { leaveSoon, untilStopped } from './until-stopped.ts'
import { printWindows } from './print-windows.ts'
import type { Terminal } from './terminal.ts'

export async function serve(call: Call): Promise<number> {
  noWords(call)
  const { settings, terminal } = call
  const { signal, stopped } = untilStopped()
  const app = await startApp(settings, {
    signal,
    waiting: (reason) => terminal.note(`Waiting for the database: ${reason}`),
  }).catch((error: unknown) => {
    if (signal.aborted) return undefined
    throw error
  })
  if (app === undefined) return EXIT.ok
  welcome(app, call)
  const endReports = settings.windowReport ? printWindows(app, terminal) : undefined
  const idleMemory = giveBackWhenIdle({ clock: systemClock })
  await stopped
  await idleMemory.stop()
  endReports?.()
  await stopAndSay(app, terminal)
  leaveSoon(EXIT.ok)
  return EXIT.ok
}

/** Stops the application, with a line before and after for whoever waits for it. */
export async function stopAndSay(app: App, terminal: Terminal): Promise<void> {
  terminal.note('Stopping: requests that are under way are answered first.')
  await app.stop()
  terminal.note('Stopped.')
}

function welcome({ address }: App, { settings, terminal }: Call): void {
  const { roles, services } = settings
  const what = services === 'all' ? 'all services' : services.join(', ')
  if (!roles.includes('api')) {
    terminal.line(`Lonja works on ${what}. Health: ${address}/health  Metrics: ${address}/metrics`)
    return
  }
  terminal.line(`Lonja serves ${what} at ${address}${roles.includes('worker') ? '' : ' (the work is done elsewhere)'}`)
  for (const line of addressLines(address)) terminal.line(line)
}

/** Where to look next. */
export function addressLines(address: string): string[] {
  return [
    `  API reference  ${address}/docs`,
    `  Health         ${address}/health`,
    `  Metrics        ${address}/metrics`,
  ]
}
