// `lonja relay` and `lonja relay resend`: how the relays to Kafka stand, and sending again what Kafka has lost.
import { randomUUID } from 'node:crypto'
import { askServer, bodyOf } from './api.ts'
import { EXIT, UsageError, isSet, noWords, reasonFlag, textFlag, type Call } from './command.ts'
import { tableOf } from './terminal.ts'

interface Place {
  readonly source: string
  readonly topic: string
  readonly partition: number
  readonly first: number
  readonly next: number
  readonly mark: number | null
  readonly waiting: number
  readonly stopped: string | null
}

interface Relay {
  readonly services: readonly string[]
  readonly holder: string | null
  readonly epoch: number
  readonly places: readonly Place[]
}

interface Resent {
  readonly records: number
  readonly partitions: readonly {
    readonly source: string
    readonly topic: string
    readonly partition: number
    readonly from: number
    readonly records: number
  }[]
}

export async function showRelays(call: Call): Promise<number> {
  noWords(call)
  const { terminal } = call
  return askServer(call.settings, async (api) => {
    const { items } = bodyOf<{ readonly items: readonly Relay[] }>(await api.get('/v1/ops/relay'))
    if (isSet(call, 'json')) terminal.json(items)
    else if (items.length === 0) terminal.line('This server ships to no Kafka.')
    else for (const relay of items) for (const line of linesOf(relay)) terminal.line(line)
    return EXIT.ok
  })
}

function linesOf({ services, holder, epoch, places }: Relay): string[] {
  const waiting = places.reduce((sum, place) => sum + place.waiting, 0)
  const who = holder === null ? 'nobody ships' : `${holder} ships`
  const head = `${services.join(', ')}: ${who}, epoch ${epoch}, ${waiting} records wait`
  const rows = places.map(({ source, topic, partition, first, next, mark, waiting: own, stopped }) => [
    `${topic}/${partition} of ${source}`,
    mark === null ? 'nothing shipped' : `shipped to ${mark}`,
    `log ${first} to ${next}`,
    `${own} wait`,
    stopped ?? '',
  ])
  return [head, ...tableOf(rows)]
}

export async function resend(call: Call): Promise<number> {
  noWords(call)
  const { terminal } = call
  const body = { ...wanted(call), reason: reasonFlag(call), dryRun: isSet(call, 'dry-run') }
  return askServer(call.settings, async (api) => {
    const answer = await api.post('/v1/ops/relay/resend', body, { idempotencyKey: randomUUID() })
    const resent = bodyOf<Resent>(answer)
    if (isSet(call, 'json')) terminal.json(resent)
    else for (const line of resentLines(resent, body.dryRun)) terminal.line(line)
    return EXIT.ok
  })
}

/** @throws {UsageError} */
function wanted(call: Call) {
  const topic = textFlag(call, 'topic')
  const source = textFlag(call, 'source')
  if ((topic === undefined) === !isSet(call, 'all')) throw new UsageError('Write --topic TOPIC, or --all.')
  const from = textFlag(call, 'from')
  if (from === undefined) throw new UsageError('--from SEQ is missing: a sequence, or "first".')
  return {
    from: from === 'first' ? from : numberIn('from', from),
    ...(topic !== undefined && { topic }),
    ...(source !== undefined && { source }),
    ...partitionIn(textFlag(call, 'partition')),
  }
}

function partitionIn(given: string | undefined): { readonly partition?: number } {
  return given === undefined ? {} : { partition: numberIn('partition', given) }
}

function numberIn(flag: string, given: string): number {
  if (/^\d{1,15}$/.test(given)) return Number(given)
  throw new UsageError(`--${flag} is "${given}": write a number from 0.`)
}

function resentLines({ records, partitions }: Resent, isDry: boolean): string[] {
  const rows = partitions.map(({ source, topic, partition, from, records: own }) => {
    return [`${topic}/${partition} of ${source}`, `from ${from}`, `${own} records`]
  })
  const sum = `${records} records of ${partitions.length} partitions`
  const what = isDry ? `${sum} would be sent again.` : `${sum} are sent again.`
  return [...tableOf(rows), what]
}
