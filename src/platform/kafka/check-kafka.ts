// Looks at the start whether Kafka can be used as the settings say, and tells people what is wrong in a sentence.
import type { Topic } from '../../kernel/message.ts'
import type { KafkaAddress } from './address.ts'
import { KafkaLate } from './deadline.ts'
import { kafkaCodes, kafkaReason } from './kafka-error.ts'
import { TopicAdmin } from './topics.ts'

/** Kafka answers, and what it says has to be mended by a person; waiting does not help. */
export class KafkaRefused extends Error {
  override readonly name = 'KafkaRefused'
}

/** Nobody answers at present: what is appended waits in the database. */
export class KafkaUnavailable extends Error {
  override readonly name = 'KafkaUnavailable'
}

/** @throws {KafkaRefused} {KafkaUnavailable} */
export async function checkKafka(address: KafkaAddress, topics: readonly Topic[]): Promise<void> {
  const admin = new TopicAdmin(address)
  try {
    await admin.brokers()
    for (const topic of topics) await checkTopic(admin, topic)
  } catch (error) {
    if (error instanceof KafkaRefused) throw error
    throw sentenceOf(address, error)
  } finally {
    await admin.close()
  }
}

async function checkTopic(admin: TopicAdmin, { name, partitions }: Topic): Promise<void> {
  const found = await admin.find(name)
  if (found === undefined) {
    throw new KafkaRefused(`Kafka has no topic ${name}. Make the topics with \`lonja topics create\`.`)
  }
  // More than are written to do no harm: they stay empty.
  if (found.partitions >= partitions) return
  const has = `Kafka has ${found.partitions} partitions of ${name}, and ${partitions} are written`
  throw new KafkaRefused(`${has}. Add them with \`lonja topics create\`.`)
}

/** What each way of failing means, and what to do. */
export function sentenceOf({ brokers, sasl, tls }: KafkaAddress, error: unknown): Error {
  const at = `Kafka at ${brokers.join(', ')}`
  const codes = kafkaCodes(error)
  const reason = kafkaReason(error)
  if (codes.some((code) => code.includes('AUTHORIZATION_FAILED'))) {
    const who = sasl === undefined ? 'whoever does not log in' : sasl.username
    return new KafkaRefused(`${at} does not allow ${who} what is needed (${reason}). \`lonja acls\` lists the rights.`)
  }
  if (/SASL_AUTHENTICATION_FAILED|Authentication failed|invalid credentials/i.test(reason)) {
    return new KafkaRefused(`${at} refuses user or password (${reason}). Mend KAFKA_SASL_USERNAME and its password.`)
  }
  if (/certificate|self.signed|SSL|TLS|wrong version number|EPROTO/i.test(reason)) {
    const advice = tls === undefined ? 'Set KAFKA_SSL to on.' : 'Is KAFKA_SSL_CA_FILE the one that signed the brokers?'
    return new KafkaRefused(`${at} and we do not agree on TLS (${reason}). ${advice}`)
  }
  const why = error instanceof KafkaLate ? 'nobody answers in time' : reason
  // A broker that wants TLS hangs up on whoever comes without, and so does one that is going down.
  const hint = tls === undefined && /connection closed/i.test(reason) ? ' If it wants TLS, set KAFKA_SSL to on.' : ''
  return new KafkaUnavailable(`${at} can't be reached: ${why}. Is it running, and are the addresses right?${hint}`)
}
