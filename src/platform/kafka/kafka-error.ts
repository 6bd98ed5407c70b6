// What an error of Kafka's client means for us: its objects print fifteen lines a partition, so only the gist is kept.

interface ClientError extends Error {
  readonly code?: string
  readonly apiId?: string
  readonly findBy?: (property: string, value: unknown) => unknown
  readonly errors?: readonly Error[]
  readonly cause?: unknown
}

/** Answers that mean that this record, or one beside it in the batch, will never be taken. */
const REFUSALS = [
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'CORRUPT_MESSAGE',
  'INVALID_TIMESTAMP',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'TOPIC_AUTHORIZATION_FAILED',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'INVALID_TOPIC_EXCEPTION',
  'POLICY_VIOLATION',
] as const

/** The error itself and all that lie in it, outermost first. */
function* nested(error: unknown, depth = 0): Generator<ClientError> {
  if (!(error instanceof Error) || depth > 8) return
  const known = error as ClientError
  yield known
  for (const inner of known.errors ?? []) yield* nested(inner, depth + 1)
  yield* nested(known.cause, depth + 1)
}

/** Kafka's names of what went wrong, such as MESSAGE_TOO_LARGE; empty where the network failed. */
export function kafkaCodes(error: unknown): readonly string[] {
  const codes = [...nested(error)].flatMap(({ apiId }) => (typeof apiId === 'string' ? [apiId] : []))
  return [...new Set(codes)]
}

/** Whether the broker refuses what was sent, so that sending it again can't help. */
export function refusalOf(error: unknown): string | undefined {
  const codes = kafkaCodes(error)
  return REFUSALS.find((code) => codes.includes(code))
}

/** Whether the brokers don't have the topic: the client says so in words of its own. */
export function isUnknownTopic(error: unknown): boolean {
  if (kafkaCodes(error).some((code) => code === 'UNKNOWN_TOPIC_OR_PARTITION')) return true
  return [...nested(error)].some(({ message }) => message.startsWith('Unknown topic '))
}

/** One line for people, to stand in a sentence: Kafka's codes where there are some, else the innermost message. */
export function kafkaReason(error: unknown): string {
  const all = [...nested(error)]
  const codes = kafkaCodes(error)
  const innermost = all.at(-1)
  const text = innermost === undefined ? String(error) : innermost.message
  return codes.length > 0 ? `${codes.join(', ')}: ${firstLine(text)}` : firstLine(text)
}

function firstLine(text: string): string {
  return (text.split('\n', 1)[0] ?? '').replace(/\.$/, '')
}
