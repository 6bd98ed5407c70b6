// `lonja demo`: starts everything, lets the player play a real shop's orders, reports, and goes on serving.
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { servicesWith, startApp, type App } from '../../app.ts'
import type { Settings } from '../../platform/settings.ts'
import { storeAddress } from '../../platform/settings/parsers.ts'
import { bodyOf, openApi, type Api } from '../api.ts'
import { runCheck } from '../check/run-check.ts'
import { CommandError, countFlag, EXIT, isSet, noWords, textFlag, UsageError, type Call } from '../command.ts'
import { addressLines, stopAndSay } from '../serve.ts'
import { leaveSoon, untilStopped } from '../until-stopped.ts'
import { printWindows } from '../print-windows.ts'
import type { Terminal } from '../terminal.ts'
import { reportLines, reportObject, type Report } from './report.ts'
import { startDemoServers, type DemoServers } from './servers.ts'
import type { PlayNews, PlayOrder, PlayResult } from './results.ts'
import type { DaySales } from './bar-chart.ts'
import type { WindowView } from '../../services/analytics/read-windows.ts'

const STORE_PATH = join('var', 'demo', 'lonja.sqlite')
const SAMPLE = join(import.meta.dirname, '..', '..', '..', 'data', 'online-retail-2010-12-to-2011-08.csv.gz')
/** Larger batches against longer waits: the file took 34 s with 48, 25 s with 96, 23 s with 160, no less with 256. */
const CALLERS = 128
/** What the simulators do in a demo unless they are told otherwise. */
const DEMO_DEFAULTS = { paymentDeclineOneIn: 50, paymentLoseAnswerOneIn: 200, logLevel: 'warn' } as const
/** Mails that are tried again are waited for this long before the report. */
const QUIET_WITHIN_MS = 10_000
const LOOK_AGAIN_MS = 50

export async function demo(call: Call): Promise<number> {
  noWords(call)
  if (!isSet(call, 'kafka')) return demoOn(call, undefined)
  if (isGiven(call, 'store')) throw new UsageError('--kafka brings a database of its own: leave --store away.')
  call.terminal.note('Starting Apache Kafka and PostgreSQL, which takes some ten seconds.')
  const servers = await startDemoServers(servicesWith(call.settings))
  try {
    return await demoOn(call, servers)
  } finally {
    await servers.stop()
  }
}

async function demoOn(call: Call, servers: DemoServers | undefined): Promise<number> {
  const { terminal } = call
  const { signal, stopped } = untilStopped()
  const order = { file: textFlag(call, 'file') ?? SAMPLE, limit: countFlag(call, 'orders') ?? Infinity }
  const callers = countFlag(call, 'callers') ?? CALLERS
  const settings = demoSettings(call, servers)
  const isOwn = !isGiven(call, 'store') && servers === undefined
  const waiting = (reason: string): void => terminal.note(`Waiting for the database: ${reason}`)
  const app = await startApp(settings, { signal, waiting, afresh: isOwn && !isSet(call, 'keep') })
  try {
    if (!isOwn && servers === undefined && !isSet(call, 'force') && !isSet(call, 'keep')) await requireEmpty(app)
    terminal.note(`Lonja runs at ${app.address}; ${placeOf(isOwn, servers)}.`)
    const result = await Promise.race([play({ url: app.address, ...order, callers }, { signal, terminal }), stopped])
    // Ended by a signal, which is no failure; only there is nothing to report.
    if (result === undefined) return await end(app, terminal)
    const report = await reportOf(app, result)
    for (const line of reportLines(report, terminal.columns)) terminal.line(line)
    if (servers !== undefined) terminal.line(await kafkaLine(app))
    const code = report.verdict.ok ? EXIT.ok : EXIT.failed
    if (isSet(call, 'json')) terminal.json(reportObject(report))
    if (!isSet(call, 'exit')) await goOn(app, { stopped, terminal, settings })
    else await app.stop()
    leaveSoon(code)
    return code
  } catch (error) {
    await app.stop()
    throw error
  }
}

/** Says whether all that was appended is on Kafka by now. */
async function kafkaLine({ application }: App): Promise<string> {
  const until = performance.now() + QUIET_WITHIN_MS
  for (;;) {
    const relay = (await application.health()).find(({ part }) => part.startsWith('relay'))
    if (relay?.detail === 'nothing waits') return 'Kafka: every record is there.'
    if (performance.now() > until) return `Kafka: ${relay?.detail ?? 'nobody relays'}.`
    await new Promise<void>((resolve) => void setTimeout(resolve, LOOK_AGAIN_MS))
  }
}

function placeOf(isOwn: boolean, servers: DemoServers | undefined): string {
  if (servers !== undefined) return `its logs go to Kafka at ${servers.brokers.join(', ')}`
  return `its database is ${isOwn ? STORE_PATH : 'the one of --store'}`
}

async function end(app: App, terminal: Terminal): Promise<number> {
  await stopAndSay(app, terminal)
  leaveSoon(EXIT.ok)
  return EXIT.ok
}

/** This machine alone, the demo's own database unless --store names one, and simulators that fail now and then. */
function demoSettings(call: Call, servers: DemoServers | undefined): Settings {
  const { settings } = call
  const own = servers === undefined ? ({ kind: 'sqlite', path: STORE_PATH } as const) : storeAddress(servers.store)
  const defaults = Object.entries(DEMO_DEFAULTS).filter(([name]) => !isGiven(call, name))
  return {
    ...settings,
    ...Object.fromEntries(defaults),
    host: '127.0.0.1',
    apiKeys: '',
    apiKeysFile: undefined,
    services: 'all',
    roles: ['api', 'worker'],
    store: isGiven(call, 'store') ? settings.store : own,
    brokers: servers?.brokers,
    storeByService: {},
  }
}

/** The store counts only as a flag: nobody should play into his shop's database because a variable names it. */
function isGiven({ list }: Call, name: string): boolean {
  const source = list.find((setting) => setting.name === name)?.source ?? 'default'
  return name === 'store' ? source.startsWith('--') : source !== 'default'
}

async function requireEmpty({ address }: App): Promise<void> {
  const api = openApi({ url: address })
  try {
    for (const path of ['/v1/orders?limit=1', '/v1/clients?limit=1', '/v1/products?limit=1']) {
      const { items } = bodyOf<{ readonly items: readonly unknown[] }>(await api.get(path))
      if (items.length === 0) continue
      throw new CommandError('The database of --store is not empty. Name an empty one, or play into it with --force.')
    }
  } finally {
    api.close()
  }
}

interface Stage {
  readonly signal: AbortSignal
  readonly terminal: Terminal
}

/** Runs the player in a process of its own, so that it has a processor to itself. */
function play(order: PlayOrder, { signal, terminal }: Stage): Promise<PlayResult> {
  const { promise, resolve, reject } = Promise.withResolvers<PlayResult>()
  const player = fork(join(import.meta.dirname, 'player-process.ts'), {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  signal.addEventListener('abort', () => player.kill('SIGKILL'))
  player.on('message', (news: PlayNews) => {
    if (news.kind === 'progress') terminal.progress(news.text)
    else if (news.kind === 'failed') reject(new CommandError(news.sentence))
    else resolve(news.result)
  })
  player.on('error', reject)
  player.on('exit', () => {
    if (!signal.aborted) reject(new CommandError("The demo's player ended before it was done. Start the demo again."))
  })
  player.send(order)
  return promise
}

async function reportOf(app: App, result: PlayResult): Promise<Report> {
  const limit = Promise.withResolvers<void>()
  const timer = setTimeout(limit.resolve, QUIET_WITHIN_MS)
  await Promise.race([app.application.settled(), limit.promise])
  clearTimeout(timer)
  const api = openApi({ url: app.address })
  try {
    const days = await salesByDay(api)
    const { items: windows } = await read<{ items: readonly WindowView[] }>(api, '/v1/analytics/windows?limit=1')
    const { ok, problems } = await runCheck(app.application, { quick: false })
    const verdict = { ok, problems: problems.map(({ check, key, message }) => `${check} ${key}: ${message}`) }
    return { result, compensations: app.compensations(), verdict, ...days, window: windows[0] }
  } finally {
    api.close()
  }
}

interface DayAnswer {
  readonly day: string
  readonly currency: string
  readonly orders: { readonly confirmed: number }
  readonly revenue: string
}

interface DayPage {
  readonly items: readonly DayAnswer[]
  readonly next: string | null
}

/** Of the currency with the most days: the sample has one. */
async function salesByDay(api: Api): Promise<Pick<Report, 'days' | 'currency'>> {
  const all: DayAnswer[] = []
  for (let after = ''; ;) {
    const { items, next }: DayPage = await read<DayPage>(api, `/v1/analytics/days?limit=500${after}`)
    all.push(...items)
    if (next === null || next === undefined) break
    after = `&after=${encodeURIComponent(next)}`
  }
  const [currency = ''] = [...Map.groupBy(all, (day) => day.currency)]
    .toSorted(([, one], [, other]) => other.length - one.length)
    .map(([name]) => name)
  const days = all
    .filter((day) => day.currency === currency)
    .map(({ day, orders, revenue }): DaySales => ({ day, orders: orders.confirmed, revenue: Number(revenue) }))
  return { days, currency }
}

async function read<Body>(api: Api, path: string): Promise<Body> {
  return bodyOf<Body>(await api.get(path))
}

interface GoingOn {
  readonly stopped: Promise<void>
  readonly terminal: Terminal
  readonly settings: Settings
}

async function goOn(app: App, { stopped, terminal, settings }: GoingOn): Promise<void> {
  terminal.note(`\nLonja goes on at ${app.address} until Ctrl-C.`)
  for (const line of [...addressLines(app.address), `  An order       ${curlOf(app.address)}`]) terminal.note(line)
  const endReports = settings.windowReport ? printWindows(app, terminal) : undefined
  await stopped
  endReports?.()
  await stopAndSay(app, terminal)
}

function curlOf(address: string): string {
  return `curl ${address}/v1/orders?limit=1`
}
