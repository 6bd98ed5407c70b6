// Prints the report of each window of five minutes shortly after its end.
import type { App } from '../app.ts'
import { readWindow } from '../services/analytics/read-windows.ts'
import { windowReport } from '../services/analytics/window-report.ts'
import { windowStartOf } from '../services/analytics/windows.projection.ts'
import { WINDOW_MS } from '../services/analytics/contract.ts'
import type { Terminal } from './terminal.ts'

/** What happened in the last moments of a window is appended and folded within this time. */
const SETTLING_MS = 2000

/** @returns what ends the printing. */
export function printWindows({ application, log }: App, terminal: Terminal): () => void {
  // Where analytics runs elsewhere, its reports are printed there.
  if (!application.services.some(({ name }) => name === 'analytics')) return () => undefined
  let timer: NodeJS.Timeout
  const print = async (startMs: number): Promise<void> => {
    for (const line of windowReport(await readWindow(application.reader('analytics'), startMs))) terminal.line(line)
  }
  const arm = (): void => {
    const startMs = windowStartOf(application.now())
    const dueMs = startMs + WINDOW_MS + SETTLING_MS - application.now()
    timer = setTimeout(() => {
      print(startMs).catch((error: unknown) => log.warn('The report of a window could not be read.', { error }))
      arm()
    }, dueMs)
  }
  arm()
  return () => clearTimeout(timer)
}
