// Starts the shipped program as a process of its own, `node src/main.ts serve`, and kills it or tells it to stop.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Failpoint } from './failpoints.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const FAILPOINTS = new URL('failpoints.ts', import.meta.url).href
const LOG_LINES_KEPT = 200

export interface ShopPlan {
  /** Such as `sqlite:/tmp/x/lonja.sqlite`. */
  readonly store: string
  readonly flags?: readonly string[]
  /** Dies by itself at the nth commit after `arm`. */
  readonly failpoint?: { readonly at: Failpoint; readonly nth: number }
}

export interface ShopProcess {
  readonly url: string
  /** By `performance.now()`. */
  readonly spawnedAtMs: number
  /** Resolves when it has ended, with the signal or the exit code. */
  readonly ended: Promise<NodeJS.Signals | number>
  hasEnded(): boolean
  /** From now on its failpoint counts. */
  arm(): void
  /** kill -9. */
  kill(): Promise<void>
  /** SIGTERM; returns the exit code. */
  stop(): Promise<NodeJS.Signals | number>
  /** What it printed last, for a test that fails. */
  log(): string
}

/** Processes and folders of one test; whatever the test did, `end` leaves nothing behind. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'lonja-chaos-'))
  readonly #running = new Set<ShopProcess>()
  readonly #last: ShopProcess[] = []

  /** Resolves when it serves. @throws with what it printed when it ends before. */
  async start(plan: ShopPlan): Promise<ShopProcess> {
    const shop = await launch(plan, this.folder, (started) => {
      this.#running.add(started)
      void started.ended.then(() => this.#running.delete(started))
    })
    this.#last.push(shop)
    return shop
  }

  /** Runs a command of the program to its end. */
  async run(
    ...words: readonly string[]
  ): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
    const child = spawn(process.execPath, [MAIN, ...words], { cwd: this.folder, env: {}, stdio: 'pipe' })
    child.stdin.end()
    const read = async (stream: AsyncIterable<Buffer>): Promise<string> => {
      let text = ''
      for await (const chunk of stream) text += chunk.toString()
      return text
    }
    const [out, err, [code]] = await Promise.all([read(child.stdout), read(child.stderr), once(child, 'close')])
    return { code: Number(code), out, err }
  }

  /** What the newest processes printed. */
  logs(): string {
    return this.#last
      .slice(-2)
      .map((shop) => shop.log())
      .join('\n--\n')
  }

  async end(): Promise<void> {
    await Promise.all([...this.#running].map((shop) => shop.kill()))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

async function launch(
  { store, flags = [], failpoint }: ShopPlan,
  cwd: string,
  started: (shop: ShopProcess) => void,
): Promise<ShopProcess> {
  const preload = failpoint === undefined ? [] : ['--import', `${FAILPOINTS}?at=${failpoint.at}&nth=${failpoint.nth}`]
  const settings = ['--store', store, '--port', '0', '--log-level', 'warn', '--log-format', 'json', ...flags]
  const spawnedAtMs = performance.now()
  const child = spawn(process.execPath, [...preload, MAIN, 'serve', '--window-report', 'off', ...settings], {
    cwd,
    env: {},
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const serving = Promise.withResolvers<string>()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line)
      if (lines.length > LOG_LINES_KEPT) lines.shift()
      const url = / at (http:\/\/\S+)/.exec(line)?.[1]
      if (stream === child.stdout && url !== undefined) serving.resolve(url)
    })
  }
  const log = () => lines.join('\n')
  const ended = new Promise<NodeJS.Signals | number>((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? code ?? -1))
  })
  const signalled = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  const shop = {
    url: '',
    spawnedAtMs,
    ended,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    arm: () => void child.kill('SIGUSR2'),
    kill: async () => void (await signalled('SIGKILL')),
    stop: () => signalled('SIGTERM'),
    log,
  }
  started(shop)
  void ended.then((how) => serving.reject(new Error(`The shop ended by ${how} before it served:\n${log()}`)))
  return Object.assign(shop, { url: await serving.promise })
}
