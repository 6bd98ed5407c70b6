// Starts the shipped program as a process of its own, `node src/main.ts serve`, and kills it or tells it to stop.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Sabotage } from './sabotage.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const SABOTAGE = new URL('sabotage.ts', import.meta.url).href
const LOG_LINES_KEPT = 200

export interface ShopPlan {
  /** Such as `sqlite:/tmp/x/lonja.sqlite`. */
  readonly store: string
  readonly flags?: readonly string[]
  /** What is done to it from its first line on. */
  readonly orders?: Sabotage
}

export interface ShopProcess {
  /** Empty until it serves. */
  readonly url: string
  /** By `performance.now()`. */
  readonly spawnedAtMs: number
  /** Resolves when it serves, with itself. @throws with what it printed when it ends before. */
  readonly serving: Promise<ShopProcess>
  /** Resolves when it has ended, with the signal or the exit code. */
  readonly ended: Promise<NodeJS.Signals | number>
  hasEnded(): boolean
  /** Has it sabotaged from now on. */
  order(orders: Sabotage): void
  /** SIGSTOP. */
  suspend(): void
  /** SIGCONT. */
  resume(): void
  /** Stopped by SIGSTOP, whoever sent it. */
  isSuspended(): boolean
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

  /** Starts a process, which may die before it serves. */
  spawn(plan: ShopPlan): ShopProcess {
    const shop = launch(plan, this.folder)
    this.#running.add(shop)
    void shop.ended.then(() => this.#running.delete(shop))
    this.#last.push(shop)
    return shop
  }

  /** Resolves when it serves. @throws with what it printed when it ends before. */
  start(plan: ShopPlan): Promise<ShopProcess> {
    return this.spawn(plan).serving
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

  /** @param keepFolder for whoever looks into a database where something was off. */
  async end(keepFolder = false): Promise<void> {
    await Promise.all([...this.#running].map((shop) => shop.kill()))
    if (!keepFolder) rmSync(this.folder, { recursive: true, force: true })
  }
}

function launch({ store, flags = [], orders = {} }: ShopPlan, cwd: string): ShopProcess {
  const preload = `${SABOTAGE}?orders=${encodeURIComponent(JSON.stringify(orders))}`
  const settings = ['--store', store, '--port', '0', '--log-level', 'warn', '--log-format', 'json', ...flags]
  const spawnedAtMs = performance.now()
  const words = ['--import', preload, MAIN, 'serve', '--window-report', 'off', ...settings]
  const child = spawn(process.execPath, words, { cwd, env: {}, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  const { lines, address } = linesOf(child)
  // The line breaks when the process dies: that is what it is for.
  child.on('error', () => undefined)
  const ended = new Promise<NodeJS.Signals | number>((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? code ?? -1))
  })
  const signalled = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  const serving = Promise.withResolvers<ShopProcess>()
  serving.promise.catch(() => undefined)
  const shop = {
    url: '',
    spawnedAtMs,
    serving: serving.promise,
    ended,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    order: (orders: Sabotage) => void child.send(orders),
    suspend: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    isSuspended: () => stateOf(child.pid) === 'T',
    kill: async () => void (await signalled('SIGKILL')),
    stop: () => signalled('SIGTERM'),
    log: () => lines.join('\n'),
  }
  void address.then((url) => serving.resolve(Object.assign(shop, { url })))
  void ended.then((how) => serving.reject(new Error(`The shop ended by ${how} before it served:\n${shop.log()}`)))
  return shop
}

/** The last lines that a process prints, and the address at which it says that it serves. */
function linesOf({ stdout, stderr }: Pick<ChildProcess, 'stdout' | 'stderr'>): {
  readonly lines: readonly string[]
  readonly address: Promise<string>
} {
  const lines: string[] = []
  const address = Promise.withResolvers<string>()
  for (const stream of [stdout, stderr]) {
    if (stream === null) continue
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line)
      if (lines.length > LOG_LINES_KEPT) lines.shift()
      const url = / (?:at|Health:) (http:\/\/[^/\s]+)/.exec(line)?.[1]
      if (stream === stdout && url !== undefined) address.resolve(url)
    })
  }
  return { lines, address: address.promise }
}

/** The letter after the name in /proc/PID/stat (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html). */
function stateOf(pid: number | undefined): string | undefined {
  try {
    return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]
  } catch {
    return undefined
  }
}
