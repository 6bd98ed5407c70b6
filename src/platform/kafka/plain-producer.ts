// Sends copies to Kafka without a transaction: each record is whole in itself, and may come twice.
import { Producer } from '@platformatic/kafka'
import { addressOptions, type KafkaAddress } from './address.ts'
import { within } from './deadline.ts'
import type { OutgoingRecord } from './transactional-producer.ts'

const DEADLINE_MS = 12_000
/** With the client's own number of tries a broker that refuses us is asked without end. */
const RETRIES = 5
const RETRY_MS = 100

/** After any error it must be closed and a new one made: a failed send leaves the client's numbers ahead. */
export class PlainProducer {
  readonly #producer: Producer

  constructor(address: KafkaAddress) {
    this.#producer = new Producer({
      ...addressOptions(address),
      idempotent: true,
      compression: 'lz4',
      autocreateTopics: false,
      retries: RETRIES,
      retryDelay: RETRY_MS,
    })
    this.#producer.on('error', () => undefined)
  }

  /** Resolves when all of them are acknowledged. */
  async send(records: readonly OutgoingRecord[]): Promise<void> {
    const sent = this.#producer.send({ messages: [...records] })
    await within(DEADLINE_MS, `sending ${records.length} copies`, sent)
  }

  async close(): Promise<void> {
    await within(DEADLINE_MS, 'closing the producer', this.#producer.close(true)).catch(() => undefined)
  }
}
