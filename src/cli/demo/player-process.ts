// The process of the demo's player: takes its order from the demo's own process and tells it how it goes.
import { playFile } from './player.ts'
import type { PlayNews, PlayOrder } from './results.ts'

const PROGRESS_EVERY_MS = 200

let toldAtMs = -Infinity

function send(news: PlayNews): void {
  process.send?.(news)
}

function tell(text: string): void {
  if (performance.now() - toldAtMs < PROGRESS_EVERY_MS) return
  toldAtMs = performance.now()
  send({ kind: 'progress', text })
}

async function play(order: PlayOrder): Promise<void> {
  try {
    send({ kind: 'done', result: await playFile(order, tell) })
  } catch (error) {
    send({ kind: 'failed', sentence: (error as Error).message })
  }
  process.disconnect()
}

// The demo's own process decides when to stop, also on Ctrl-C, which the terminal sends to both.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => undefined)
process.on('disconnect', () => process.exit())
process.once('message', (order: PlayOrder) => void play(order))
