// `lonja rebuild PROJECTION`: has the running server rebuild a projection from the log, and shows how far it is.
import { services } from '../services.ts'
import { bodyOf, openApi, serverOf, type Api } from './api.ts'
import { CommandError, EXIT, isSet, onlyWord, UsageError, type Call } from './command.ts'
import type { Terminal } from './terminal.ts'

const LOOK_EVERY_MS = 200

/** What the server says of a rebuild. */
interface Status {
  readonly service: string
  readonly projection: string
  readonly phase: 'none' | 'waiting' | 'filling' | 'comparing' | 'swapping' | 'done' | 'aborted' | 'failed'
  readonly done: number
  readonly total: number
  readonly percent: number
  readonly perSecond: number
  readonly report: {
    readonly comparedRows: number
    readonly differences: number
    readonly named: readonly { readonly key: readonly unknown[]; readonly columns: readonly string[] }[]
  } | null
  readonly problem: string | null
}

export async function rebuild(call: Call): Promise<number> {
  const { settings, terminal } = call
  if (call.words.length === 0) throw new UsageError(`PROJECTION is missing: one of ${projectionNames().join(', ')}.`)
  const path = `/v1/ops/projections/${encodeURIComponent(onlyWord(call, 'PROJECTION'))}/rebuild`
  const api = openApi(serverOf(settings))
  try {
    const action = isSet(call, 'abort') ? `${path}/abort` : path
    const started = bodyOf<Status>(await api.post(action, undefined))
    const ended = isSet(call, 'abort') ? started : await untilOver(api, path, { status: started, terminal })
    if (isSet(call, 'json')) terminal.json(ended)
    else for (const line of linesOf(ended)) terminal.line(line)
    return ended.phase === 'done' || isSet(call, 'abort') ? EXIT.ok : EXIT.failed
  } finally {
    api.close()
  }
}

function projectionNames(): string[] {
  return services.flatMap(({ name, projections }) => projections.map((projection) => `${name}.${projection.name}`))
}

async function untilOver(
  api: Api,
  path: string,
  { status: first, terminal }: { readonly status: Status; readonly terminal: Terminal },
): Promise<Status> {
  let status = first
  while (!isOver(status)) {
    terminal.progress(`${nameOf(status)}: ${status.phase}, ${status.percent} %, ${status.perSecond} records a second`)
    await new Promise<void>((resolve) => void setTimeout(resolve, LOOK_EVERY_MS))
    status = bodyOf<Status>(await api.get(path))
  }
  terminal.endProgress()
  // The server was restarted and another process finished it: nobody there knows the report any more.
  if (status.phase === 'none') throw new CommandError(`The rebuild of ${nameOf(status)} ended out of sight.`)
  return status
}

function isOver({ phase }: Status): boolean {
  return phase === 'done' || phase === 'aborted' || phase === 'failed' || phase === 'none'
}

function nameOf({ service, projection }: Status): string {
  return `${service}.${projection}`
}

function linesOf(status: Status): string[] {
  const { phase, done, report, problem } = status
  if (phase !== 'done' || report === null)
    return [`${nameOf(status)}: ${phase}${problem === null ? '' : `: ${problem}`}`]
  const { comparedRows, differences, named } = report
  const found = differences === 0 ? 'no difference' : `${differences} rows were not what the log says, and are now`
  return [
    `${nameOf(status)}: rebuilt from ${done} records; ${comparedRows} rows compared, ${found}.`,
    ...named.map(({ key, columns }) => `  ${key.map(String).join(' ')}: ${columns.join(', ')}`),
  ]
}
