// What to do about an answer of the brokers that is nothing but a code.
import { kafkaCodes } from './kafka-error.ts'

const ADVICE: Readonly<Record<string, string>> = {
  MESSAGE_TOO_LARGE: 'see `lonja topics check`',
  RECORD_LIST_TOO_LARGE: 'see `lonja topics check`',
  INVALID_TIMESTAMP: "compare the database's clock with the brokers'",
  TOPIC_AUTHORIZATION_FAILED: '`lonja acls` lists the rights',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: '`lonja acls` lists the rights',
  CLUSTER_AUTHORIZATION_FAILED: '`lonja acls` lists the rights',
  UNKNOWN_TOPIC_OR_PARTITION: 'make it with `lonja topics create`',
  NOT_ENOUGH_REPLICAS: 'fewer copies are up to date than min.insync.replicas asks for: start the missing nodes',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    'fewer copies are up to date than min.insync.replicas asks for: start the missing nodes',
  PRODUCER_FENCED: fenced(),
  INVALID_PRODUCER_EPOCH: fenced(),
}

function fenced(): string {
  return (
    'another program sends under our transactional id: does a copy of this database run on the same Kafka? ' +
    'Stop it, or give it a Kafka of its own'
  )
}

/** To be put behind the reason; empty where there is nothing to add. */
export function adviceFor(error: unknown): string {
  const known = kafkaCodes(error).find((code) => ADVICE[code] !== undefined)
  return known === undefined ? '' : ` (${ADVICE[known]})`
}
