// Starts the processes that are measured and the one that loads them, asks them, and ends them.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Ask, Fed, FeedPlan, Rebuilt, Told } from './orders.ts'
import type { Place } from './places.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const SHOP_PROCESS = join(import.meta.dirname, 'shop-process.ts')
const LOAD_PROCESS = join(import.meta.dirname, 'load-process.ts')
const LINES_KEPT = 20
const START_LIMIT_MS = 30_000

export type OnProgress = (orders: number) => void

export interface ProgramOptions {
  readonly place: Place
  /** The folder and the name of a CPU profile that is written when the process ends. */
  readonly profile?: { readonly folder: string; readonly name: string } | undefined
  /** A file that is loaded before the server. */
  readonly preload?: string
}

const running = new Set<ChildProcess>()

/** Ends whatever a bench that failed has left running. */
export function endPrograms(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** A started process: what it says is kept for the moment when it fails. */
class Program {
  readonly child: ChildProcess
  readonly exited: Promise<unknown>
  readonly #lines: string[] = []

  constructor(args: readonly string[], options: { readonly folder?: string; readonly place?: Place } = {}) {
    const { folder, place } = options
    const store = place === undefined ? {} : environmentOf(place)
    this.child = spawn(process.execPath, [...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Settings of whoever runs the bench must not steer what is measured.
      env: { PATH: process.env['PATH'], TMPDIR: process.env['TMPDIR'], ...store },
      ...(folder === undefined ? {} : { cwd: folder }),
    })
    running.add(this.child)
    this.exited = once(this.child, 'exit').finally(() => running.delete(this.child))
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.on('data', (text) => this.#keep(String(text)))
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('The process could not be started.')
    return this.child.pid
  }

  #keep(text: string): void {
    this.#lines.push(...text.split('\n').filter((line) => line !== ''))
    this.#lines.splice(0, this.#lines.length - LINES_KEPT)
  }

  /** Resolves with the first answer that is no progress. @throws with the process's last lines when it failed. */
  async ask(ask: Ask | undefined, onProgress: OnProgress = () => undefined): Promise<Told> {
    const { promise, resolve } = Promise.withResolvers<Told>()
    const hear = (told: Told): void => {
      if ('progress' in told) onProgress(told.progress)
      else resolve(told)
    }
    this.child.on('message', hear)
    if (ask !== undefined) this.child.send(ask)
    const told = await Promise.race([promise, this.exited.then(() => ({ failed: 'It ended.' }))])
    this.child.off('message', hear)
    if ('failed' in told) throw this.failure(told.failed)
    return told
  }

  /** Resolves when it printed the text. */
  async printed(pattern: RegExp): Promise<string> {
    const found = new Promise<string>((resolve) => {
      this.child.stdout?.on('data', () => {
        const match = pattern.exec(this.#lines.join('\n'))?.[1]
        if (match !== undefined) resolve(match)
      })
    })
    const late = new Promise<undefined>((resolve) => {
      setTimeout(() => resolve(undefined), START_LIMIT_MS).unref()
    })
    const text = await Promise.race([found, late, this.exited.then(() => undefined)])
    if (text === undefined) throw this.failure('It did not start.')
    return text
  }

  failure(message: string): Error {
    return new Error(`A measured process failed: ${message}\n${this.#lines.join('\n')}`)
  }

  async stop(how: 'disconnect' | 'SIGTERM'): Promise<void> {
    if (how === 'disconnect' && this.child.connected) this.child.disconnect()
    else this.child.kill('SIGTERM')
    await this.exited
    if (this.child.exitCode !== 0) throw this.failure(`It ended with ${this.child.exitCode ?? this.child.signalCode}.`)
  }
}

/** A running Lonja on one database. */
export interface Shop {
  readonly pid: number
  readonly place: Place
  readonly address: string
  feed(plan: FeedPlan, onProgress?: OnProgress): Promise<Fed>
  stop(): Promise<void>
}

export interface InProcessShop extends Shop {
  rebuild(projection: string): Promise<Rebuilt>
}

/** The application with its callers in one process. */
export async function startInProcess(options: ProgramOptions): Promise<InProcessShop> {
  const { place } = options
  const program = new Program([...profileFlags(options), SHOP_PROCESS], { place })
  const told = await program.ask(undefined)
  if (!('address' in told)) throw program.failure('It did not tell its address.')
  return {
    pid: program.pid,
    place,
    address: told.address,
    feed: async (feed, onProgress) => fedOf(program, await program.ask({ feed }, onProgress)),
    async rebuild(projection) {
      const answer = await program.ask({ rebuild: projection })
      if (!('rebuilt' in answer)) throw program.failure('It did not rebuild.')
      return answer.rebuilt
    },
    stop: () => program.stop('disconnect'),
  }
}

/** `lonja serve`, and a load generator with 64 connections in a process of its own. */
export async function startOverHttp(options: ProgramOptions): Promise<Shop> {
  const { place } = options
  const server = startServer(options)
  const address = await server.printed(/ at (http:\S+)/)
  const load: { program?: Program } = {}
  return {
    pid: server.pid,
    place,
    address,
    async feed(feed, onProgress) {
      const program = (load.program ??= new Program([LOAD_PROCESS, address]))
      return fedOf(program, await program.ask({ feed }, onProgress))
    },
    async stop() {
      await load.program?.stop('disconnect')
      await server.stop('SIGTERM')
    },
  }
}

/** Only the server; on a port of one's choice it can be asked before it says that it listens. */
export function startServer(options: ProgramOptions, port = 0): Program {
  const flags = ['--port', String(port), '--log-level', 'error', '--window-report', 'off']
  const preload = options.preload === undefined ? [] : ['--import', options.preload]
  return new Program([...profileFlags(options), ...preload, MAIN, 'serve', ...flags], { place: options.place })
}

function environmentOf({ url, brokers }: Place): Readonly<Record<string, string>> {
  return { LONJA_STORE_URL: url, ...(brokers && { KAFKA_BROKERS: brokers.join(',') }) }
}

function profileFlags({ profile }: ProgramOptions): readonly string[] {
  if (profile === undefined) return []
  const { folder, name } = profile
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}.cpuprofile`]
}

function fedOf(program: Program, told: Told): Fed {
  if (!('fed' in told)) throw program.failure('It did not feed.')
  return told.fed
}
