// `lonja topics scale N [TOPIC…]`: gives topics more partitions, on Kafka first and then in the logs.
import type { Topic } from '../kernel/message.ts'
import { topicNamed } from '../kernel/message.ts'
import { kafkaAddressOf } from '../platform/kafka/kafka-settings.ts'
import { services } from '../services.ts'
import { askServer, bodyOf, type Api } from './api.ts'
import { EXIT, isSet, reasonFlag, UsageError, type Call } from './command.ts'
import { onKafka } from './kafka-topics.ts'
import type { Terminal } from './terminal.ts'
import { tableOf } from './terminal.ts'

const PATH = '/v1/ops/topics/scale'
/** The only refusal that this command can mend by itself. */
const KAFKA_FIRST = 'SCALING_KAFKA_FIRST'

interface Outcome {
  readonly dryRun: boolean
  readonly scaled: readonly {
    readonly topic: string
    readonly source: string
    readonly from: number
    readonly to: number
    readonly generation: number
  }[]
  readonly elsewhere: readonly string[]
}

export async function scaleTopics(call: Call): Promise<number> {
  const { settings, terminal } = call
  const [count = '', ...topics] = call.words
  if (!/^[1-9]\d{0,3}$/.test(count)) throw new UsageError(`N is "${count}": write how many partitions there shall be.`)
  const partitions = Number(count)
  const known = services.flatMap((service) => service.topics.map(({ name }) => name))
  const unknown = topics.filter((topic) => !known.includes(topic))
  if (unknown.length > 0) throw new UsageError(`There is no topic ${unknown.join(', ')}: \`lonja topics\` lists them.`)
  const isDry = isSet(call, 'dry-run')
  const body = { partitions, topics, reason: isDry ? 'a dry run' : reasonFlag(call) }
  return askServer(settings, async (api) => {
    const planned = await plan(api, body)
    const wanted = (topics.length === 0 ? known : topics).map(topicNamed)
    const grown = kafkaAddressOf(settings) === undefined ? [] : await growOnKafka(call, wanted, { partitions, isDry })
    const outcome = isDry ? planned : bodyOf<Outcome>(await api.post(PATH, { ...body, dryRun: false }))
    if (isSet(call, 'json')) terminal.json({ ...outcome, onKafka: grown })
    else tell(terminal, { outcome, grown, isDry })
    return EXIT.ok
  })
}

/** What would happen; what is refused for another reason than Kafka's count is refused before Kafka is touched. */
async function plan(api: Api, body: object): Promise<Outcome | undefined> {
  const answer = await api.post(PATH, { ...body, dryRun: true })
  return answer.code === KAFKA_FIRST ? undefined : bodyOf<Outcome>(answer)
}

/** A topic that has more than is written to is no harm: the others stay empty until the logs follow. */
function growOnKafka(
  call: Call,
  topics: readonly Topic[],
  { partitions, isDry }: { readonly partitions: number; readonly isDry: boolean },
): Promise<readonly string[]> {
  return onKafka(call, async (admin) => {
    const grown: string[] = []
    for (const { name } of topics) {
      const has = (await admin.find(name))?.partitions ?? 0
      if (has === 0 || has >= partitions) continue
      if (!isDry) await admin.grow(name, partitions)
      grown.push(name)
    }
    return grown
  })
}

interface Told {
  readonly outcome: Outcome | undefined
  readonly grown: readonly string[]
  readonly isDry: boolean
}

function tell(terminal: Terminal, { outcome, grown, isDry }: Told): void {
  const would = isDry ? 'would get' : 'got'
  if (grown.length > 0) terminal.line(`On Kafka ${grown.length} topics ${would} more partitions: ${grown.join(', ')}.`)
  if (outcome === undefined) {
    terminal.line('The logs follow once Kafka has the partitions.')
    return
  }
  const { scaled, elsewhere } = outcome
  if (scaled.length === 0) terminal.line('Every log that lies here has as many partitions already.')
  else {
    const rows = scaled.map(({ topic, source, from, to, generation }) => {
      return [topic, source, `${from} → ${to}`, `generation ${generation}`]
    })
    for (const line of tableOf([['TOPIC', 'APPENDED BY', 'PARTITIONS', ''], ...rows])) terminal.line(line)
    const done = 'Groups go on as they pass the barriers: `lonja groups` shows who waits for which.'
    terminal.line(isDry ? 'Nothing was changed.' : done)
  }
  if (elsewhere.length > 0) {
    const names = elsewhere.join(', ')
    terminal.line(`Logs of ${names} lie in databases that this server has not opened: ask theirs, with --url.`)
  }
}
