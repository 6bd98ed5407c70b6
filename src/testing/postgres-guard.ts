// Owns one PostgreSQL server for tests, and ends it as soon as the process that asked for it is gone, even by kill -9.
// It is a process of its own: orders come as lines of JSON over standard input, whose end means "stop and tidy up".
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

/** What the first order says; `temporary` folders are removed at the end. */
export interface ServerPlan {
  readonly folder: string
  readonly temporary: boolean
  readonly settings: Readonly<Record<string, string>>
  readonly initdb: string
  readonly postgres: string
  readonly newPassword: string
}
export type GuardOrder = { readonly start: ServerPlan } | { readonly restart: true } | { readonly kill: true }
/** Each order gets one answer. The port and the password stay the same through every restart. */
export type GuardAnswer = { readonly port: number; readonly password: string } | { readonly failed: string }

type Failure = { readonly failed: string }
interface Process {
  readonly child: ChildProcess
  readonly exited: Promise<string>
  /** The last lines that it printed. */
  readonly log: () => string
  readonly printed: (text: string) => Promise<boolean>
}

const nobodyId = 65_534
const logLinesLimit = 40
const startLimitMs = 60_000
const stopLimitMs = 10_000
const startAttemptsLimit = 200
const startPauseMs = 50
const readyText = 'ready to accept connections'

/** PostgreSQL refuses to run as root, so root hands it to nobody; an ordinary user stays what he is. */
const user = process.getuid?.() === 0 ? { uid: nobodyId, gid: nobodyId } : {}
const isRoot = 'uid' in user
/** PGDATA, PGPORT and the like of the caller must not steer a server for tests. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')))

let plan: ServerPlan | undefined
let binaries = { initdb: '', postgres: '' }
let access = { port: 0, password: '' }
let server: Process | undefined

function run(binary: string, args: readonly string[], folder: string): Process {
  const child = spawn(binary, args, {
    cwd: folder,
    env: { ...environment, LC_ALL: 'C', TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
    ...user,
  })
  const lines: string[] = []
  const watchers = new Set<(line: string) => void>()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line)
      if (lines.length > logLinesLimit) lines.shift()
      for (const watcher of watchers) watcher(line)
    })
  }
  const exited = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, signal) => resolve(signal ? `signal ${signal}` : `code ${code}`))
  })
  const printed = (text: string) =>
    new Promise<boolean>((resolve) => {
      watchers.add((line) => line.includes(text) && resolve(true))
      void exited.then(() => resolve(false))
    })
  return { child, exited, log: () => lines.join('\n'), printed }
}

/** Turns what a binary printed into a sentence that says what to do. */
function explain(what: string, how: string, log: string): string {
  const text = `${how}\n${log}`
  const said = log === '' ? how : `${how}; it said:\n${log}`
  if (/error while loading shared libraries|Library not loaded/.test(text)) {
    const advice = 'as install scripts are switched off: run `npm rebuild --ignore-scripts=false`'
    return `${what} cannot find its libraries, ${advice} (${said})`
  }
  if (/EACCES|Permission denied/i.test(text)) {
    const who = isRoot ? 'the user nobody (PostgreSQL refuses to run as root)' : 'this user'
    const advice = `${who} must be able to enter each folder above ${plan?.folder}`
    return `${what} was refused by the file system: ${advice} (${said})`
  }
  if (/No space left on device/i.test(text)) {
    return `${what} found the disk full: free some space, or set TMPDIR to another disk (${said})`
  }
  return `${what} ended with ${said}`
}

/** Copies the binaries out of a checkout that nobody may not enter, such as one in root's home. */
function reachableBinaries({ initdb, postgres, folder }: ServerPlan): typeof binaries {
  const asked = spawnSync(postgres, ['--version'], { cwd: folder, env: environment, ...user })
  if (!isRoot || asked.error === undefined || !('code' in asked.error) || asked.error.code !== 'EACCES') {
    return { initdb, postgres }
  }
  const copy = join(folder, 'binaries')
  // A copy that a named folder still holds may be of another version, or half a copy.
  rmSync(copy, { recursive: true, force: true })
  cpSync(dirname(dirname(postgres)), copy, { recursive: true, verbatimSymlinks: true })
  return { initdb: join(copy, 'bin', 'initdb'), postgres: join(copy, 'bin', 'postgres') }
}

async function prepareFolder(given: ServerPlan): Promise<Failure | undefined> {
  const { folder, newPassword } = given
  mkdirSync(folder, { recursive: true })
  if (isRoot) chownSync(folder, nobodyId, nobodyId)
  binaries = reachableBinaries(given)
  const passwordFile = join(folder, 'password')
  if (existsSync(join(folder, 'data', 'PG_VERSION'))) {
    access = { ...access, password: readFileSync(passwordFile, 'utf8') }
    return undefined
  }
  writeFileSync(passwordFile, newPassword, { mode: 0o600 })
  if (isRoot) chownSync(passwordFile, nobodyId, nobodyId)
  access = { ...access, password: newPassword }
  const options = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8']
  const quick = ['--locale=C', '--no-sync', '--no-instructions', '--set=scram_iterations=1']
  const made = run(binaries.initdb, [`--pgdata=${join(folder, 'data')}`, ...options, ...quick], folder)
  const how = await made.exited
  return how === 'code 0' ? undefined : { failed: explain('initdb', how, made.log()) }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Starts once and waits until it takes connections; says why if it does not. */
async function startOnce({ folder, settings }: ServerPlan): Promise<Failure | undefined> {
  const wanted = { listen_addresses: '127.0.0.1', port: String(access.port), unix_socket_directories: '', ...settings }
  const args = Object.entries(wanted).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const started = run(binaries.postgres, ['-D', join(folder, 'data'), ...args], folder)
  const limit = new AbortController()
  const tooLate = pause(startLimitMs, 'late' as const, { signal: limit.signal }).catch(() => 'late' as const)
  const ready = await Promise.race([started.printed(readyText), tooLate])
  limit.abort()
  if (ready === true) {
    server = started
    return undefined
  }
  started.child.kill('SIGKILL')
  const how = await started.exited
  const what = ready === 'late' ? `the server was not ready after ${startLimitMs / 1000} seconds and` : 'the server'
  return { failed: explain(what, how, started.log()) }
}

/** Tries again where waiting helps: a port that was just taken, memory that a killed server's sessions still hold. */
async function start(given: ServerPlan, portIsFixed: boolean): Promise<GuardAnswer> {
  let failure: Failure = { failed: 'the server was never started' }
  for (let attempt = 0; attempt < startAttemptsLimit; attempt += 1) {
    if (!portIsFixed) access = { ...access, port: await freePort() }
    const failed = await startOnce(given)
    if (failed === undefined) return access
    failure = failed
    if (!/Address already in use|is still in use|lock file "postmaster.pid" already exists/.test(failed.failed)) break
    await pause(startPauseMs)
  }
  return failure
}

async function end(signal: NodeJS.Signals): Promise<void> {
  if (server === undefined) return
  const { child, exited } = server
  server = undefined
  child.kill(signal)
  const limit = setTimeout(() => child.kill('SIGKILL'), stopLimitMs)
  await exited
  clearTimeout(limit)
}

async function obey(order: GuardOrder): Promise<GuardAnswer> {
  if ('start' in order) {
    plan = order.start
    return (await prepareFolder(plan)) ?? start(plan, false)
  }
  if (plan === undefined) return { failed: 'the server was never started' }
  await end('kill' in order ? 'SIGKILL' : 'SIGINT')
  return 'kill' in order ? access : start(plan, true)
}

/** Nobody reads any more once the parent was killed, which must not keep us from tidying up. */
function answer(what: GuardAnswer): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

async function guard(): Promise<void> {
  process.stdout.on('error', () => {})
  // Ctrl-C is for the parent: our end comes with its end.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => process.stdin.destroy())
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      answer(await obey(JSON.parse(line) as GuardOrder))
    } catch (error) {
      answer({ failed: explain('the guard', 'an error', String(error)) })
    }
  }
  // A folder that is thrown away needs no orderly shutdown.
  await end(plan?.temporary ? 'SIGQUIT' : 'SIGINT')
  if (plan === undefined) return
  const rubbish = plan.temporary ? plan.folder : join(plan.folder, 'binaries')
  rmSync(rubbish, { recursive: true, force: true, maxRetries: 5 })
}

await guard()
