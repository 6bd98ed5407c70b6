// Looks at the start whether Kafka can be used as the settings say, and tells people what is wrong in a sentence.
import type { Topic } from '../../kernel/message.ts'
import type { KafkaAddress } from './address.ts'
import { KafkaRefused, sentenceOf } from './failure-sentence.ts'
import { TopicAdmin } from './topics.ts'

export { KafkaRefused, KafkaUnavailable, sentenceOf } from './failure-sentence.ts'

/** @throws {KafkaRefused} {KafkaUnavailable} */
export async function checkKafka(address: KafkaAddress, topics: readonly Topic[]): Promise<void> {
  const admin = new TopicAdmin(address)
  try {
    await admin.brokers()
    for (const topic of topics) await checkTopic(admin, topic)
  } catch (error) {
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
