// Answers the relay's statements from a simulated database: the shipped store of the relay runs over it as it is.
import type { Answer, Statement } from '../../../src/platform/store/postgres-connection.ts'
import * as statements from '../../../src/platform/kafka/relay-statements.ts'
import type { RelayConnections } from '../../../src/platform/kafka/relay-store.ts'
import type { MemoryRow } from '../log-memory.ts'
import type { Gate, NodeLife } from '../ports.ts'
import type { KafkaPlace } from './place.ts'

type Cells = readonly unknown[]

export interface RelayAnswersOptions {
  readonly place: KafkaPlace
  readonly gate: Gate
  readonly life: NodeLife
  /** The epoch of the relay's lease, where the database says that it is this process's. */
  readonly epoch: () => number | undefined
  readonly now: () => number
}

/** What each statement answers. PostgreSQL runs one in one snapshot, so each is worked out without a pause. */
export function relayAnswers(options: RelayAnswersOptions): RelayConnections {
  const { place, gate, life } = options
  const { services } = place
  const known: Readonly<Record<string, (values: Cells) => Promise<readonly Cells[]>>> = {
    [statements.readEpoch]: async () =>
      [options.epoch()].filter((epoch) => epoch !== undefined).map((epoch) => [epoch, 'its only run']),
    [statements.readHeld]: async ([, epoch]) => (options.epoch() === epoch ? [[epoch]] : []),
    [statements.readEras]: () => eras(options),
    [statements.readWaiting(services)]: async ([, epoch, , limit]) =>
      options.epoch() === epoch ? waiting(options, Number(limit)) : [],
    [statements.readMembers(services)]: ([numbers]) => members(options, numbers as readonly number[]),
    [statements.readLastShipped(services)]: () => lastShipped(options),
    [statements.readHeads(services)]: async () => {
      const at = options.now()
      return (await place.heads()).map(({ source, topic, partition, generation, first, next, made }) => {
        return [source, topic, partition, generation, first, next, made, at]
      })
    },
    [statements.writeMarks]: async (values) => writeMarks(options, values),
    [statements.tryStoppedAgain]: async ([, epoch]) => (options.epoch() === epoch ? place.tryStoppedAgain() : []),
    [statements.readRelayName]: async () => [[`relay-of-${services[0] ?? ''}`]],
    'SELECT name, log_id FROM lonja.schemas WHERE name = ANY ($1::text[])': async () =>
      services.map((name) => [name, `log-of-${name}`]),
  }
  const answer = async ({ text, values = [] }: Statement): Promise<Answer> => {
    const own = known[text]
    if (own === undefined) throw new Error(`The simulated database does not know the statement: ${text}`)
    const kind = text === statements.writeMarks ? 'relay mark' : 'relay read'
    const rows = await gate.call(life, kind, () => own(values))
    return { rows, rowCount: rows.length } as unknown as Answer
  }
  return {
    read: answer,
    acquire: async () => ({
      send: answer,
      // BEGIN, a setting, the statement, COMMIT: they are one piece here.
      burst: async (sent) => {
        const [, , statement] = sent
        const [settled] = await Promise.allSettled([answer(statement as Statement)])
        return sent.map((each) => (each === statement ? settled : { status: 'fulfilled', value: NOTHING }))
      },
      broken: undefined,
      release: () => undefined,
    }),
    close: async () => undefined,
  }
}

const NOTHING = { rows: [], rowCount: 0 } as unknown as Answer

async function waiting({ place }: RelayAnswersOptions, limit: number): Promise<readonly Cells[]> {
  const rows = await place.read((mark) => (mark.stopped === undefined ? mark.next : undefined), limit)
  return rows.map(({ source, start, row }) => relayCells(source, start, row))
}

function relayCells(source: string, start: number, row: MemoryRow): Cells {
  const { topic, partition, generation, incarnation, first, last, appendedAt, body } = row
  return [source, start, topic, partition, generation, incarnation, first, last, appendedAt, body, nameOf(row)]
}

/** PostgreSQL's own number of the transaction stands beside ours. */
function nameOf({ transaction, commit }: MemoryRow): string {
  return `${transaction}/${commit}`
}

async function members({ place }: RelayAnswersOptions, numbers: readonly number[]): Promise<readonly Cells[]> {
  const wanted = new Set(numbers)
  place.rare.hit('transaction beyond what one statement reads')
  const rows = await place.read(() => 0, Number.POSITIVE_INFINITY)
  return rows
    .filter(({ row }) => wanted.has(row.transaction))
    .map(({ source, row }) => [source, row.topic, row.partition, row.last, nameOf(row)])
}

async function lastShipped({ place }: RelayAnswersOptions): Promise<readonly Cells[]> {
  const rows = await place.read(({ next }) => (next > 0 ? next - 1 : undefined), 1)
  return rows
    .filter(({ start, row }) => row.first <= start)
    .map(({ source, start, row }) => relayCells(source, start, row))
}

/** Where each incarnation beside the first one began: its rows follow those of the one before without a gap. */
async function eras({ place }: RelayAnswersOptions): Promise<readonly Cells[]> {
  const known = new Map<string, Cells>()
  if ((await place.heads()).every(({ incarnation }) => incarnation === 1)) return []
  for (const { source, row } of await place.read(() => 0, Number.POSITIVE_INFINITY)) {
    const { topic, partition, incarnation, first } = row
    const name = `${source}/${topic}/${partition}/${incarnation}`
    if (incarnation > 1 && !known.has(name)) known.set(name, [source, topic, partition, incarnation, first])
  }
  return [...known.values()].toSorted((one, other) => Number(one[3]) - Number(other[3]))
}

function writeMarks({ place, epoch }: RelayAnswersOptions, values: Cells): readonly Cells[] {
  const [, wanted, sources, topics, partitions, nexts, stops] = values as readonly [
    string,
    number,
    readonly string[],
    readonly string[],
    readonly number[],
    readonly number[],
    readonly (string | null)[],
  ]
  if (epoch() !== wanted) {
    place.rare.hit('relay lost its lease')
    return []
  }
  return sources.map((source, at) => {
    const [topic = '', partition = 0, next = 0] = [topics[at], partitions[at], nexts[at]]
    place.mark({ source, topic, partition, next, stopped: stops[at] ?? undefined })
    return [1]
  })
}
