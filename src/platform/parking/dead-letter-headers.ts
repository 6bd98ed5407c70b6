// What a dead letter says of itself in the form of Kafka headers, for tools that know nothing of our tables.
import { positionOf } from '../log/record.ts'
import type { DeadLetter } from './dead-letter.ts'

/**
 * The headers of a dead letter: our own under `x-`, and the same facts under the names that Spring for Apache Kafka
 * gives them (`KafkaHeaders.DLT_*`, set by its `DeadLetterPublishingRecoverer`), which kafbat and others look for.
 *
 * All values are text. Spring writes the partition as four and offset and timestamp as eight big-endian bytes: who puts
 * these headers on a Kafka record encodes those three so. Headers that would be empty are left out, as Spring does; a
 * key of ours is text and can always be read, so there is no `kafka_dlt-key-exception-*`.
 *
 * @example
 * deadLetterHeaders(letter)['kafka_dlt-original-topic'] // 'orders.events'
 */
export function deadLetterHeaders(letter: DeadLetter): Readonly<Record<string, string>> {
  return withoutEmpty({ ...ourHeaders(letter), ...springHeaders(letter) })
}

function ourHeaders(letter: DeadLetter): Readonly<Record<string, string>> {
  const { failure } = letter
  return {
    'x-dead-letter-id': letter.id,
    'x-event-id': positionOf(letter),
    'x-original-topic': letter.topic,
    'x-original-source': letter.source,
    'x-original-partition': String(letter.partition),
    'x-original-offset': String(letter.sequence),
    'x-original-timestamp': String(letter.appendedAt),
    // A message without a key is parked under its own position.
    'x-original-key': letter.keyName === '' ? '' : letter.key,
    'x-consumer-group': letter.group,
    'x-handler': failure.handler,
    'x-attempt': String(letter.attempts),
    'x-first-failed-at': String(letter.firstFailedAt),
    'x-last-failed-at': String(letter.lastFailedAt),
    'x-error-class': failure.faultClass,
    'x-error-code': failure.code,
    'x-error-message': failure.message,
    'x-stack': failure.stack,
    // Whether trying longer could have helped: the first question of whoever finds the letter.
    'x-failure-kind': failure.faultClass === 'transient' ? 'budget-spent' : 'not-retried',
    'x-redrive-count': String(letter.redriveCount),
  }
}

function springHeaders(letter: DeadLetter): Readonly<Record<string, string>> {
  const { failure } = letter
  return {
    'kafka_dlt-original-topic': letter.topic,
    'kafka_dlt-original-partition': String(letter.partition),
    'kafka_dlt-original-offset': String(letter.sequence),
    'kafka_dlt-original-timestamp': String(letter.appendedAt),
    // Our log stamps a record when it is appended; `CreateTime` would be the producer's clock.
    'kafka_dlt-original-timestamp-type': 'LogAppendTime',
    'kafka_dlt-original-consumer-group': letter.group,
    // Spring wraps what was thrown: tools look at the cause first and at the wrapper where there is none.
    'kafka_dlt-exception-fqcn': failure.code,
    'kafka_dlt-exception-cause-fqcn': failure.code,
    'kafka_dlt-exception-message': failure.message,
    'kafka_dlt-exception-stacktrace': failure.stack,
  }
}

function withoutEmpty(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''))
}
