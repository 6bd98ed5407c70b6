// What the tests of the Kafka client's defects need: its own producer and consumer, and ours, on one topic.
import assert from 'node:assert/strict'
import { Consumer, Producer, type ProducerOptions as StockOptions } from '@platformatic/kafka'
import { addressOptions, type KafkaAddress } from '../../src/platform/kafka/address.ts'
import { Fetcher, type Reading } from '../../src/platform/kafka/fetcher.ts'
import type { FetchedRecord } from '../../src/platform/kafka/record-headers.ts'
import { TransactionalProducer, type OutgoingRecord } from '../../src/platform/kafka/transactional-producer.ts'
import { systemClock } from '../../src/platform/system.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import { makeTopic as make } from './relay-world.ts'

const withinMs = 30_000
const READ_COMMITTED = 1

export type StockProducerOptions = StockOptions<Buffer, Buffer, Buffer, Buffer>

export const bytes = (topic: string, text: string | Buffer, partition = 0) => {
  return { topic, partition, key: Buffer.from('key'), value: Buffer.from(text) }
}
export const outgoing = (topic: string, text: string | Buffer, partition = 0): OutgoingRecord => {
  return { ...bytes(topic, text, partition), headers: new Map(), timestamp: 1000n }
}

export function stockClient(address: KafkaAddress) {
  const makeTopic = (topic: string, { partitions = 1, maxBytes = 1_000_000 } = {}): Promise<void> => {
    return make(address, topic, partitions, maxBytes)
  }

  /** The client's own producer; with the precaution against defect 1, as its others can't be seen without. */
  function stock(transactionalId: string, options: Partial<StockProducerOptions> = {}): Producer {
    const identity = { transactionalId, idempotent: true, producerId: -1n, producerEpoch: -1 }
    const patience = { retries: 30, retryDelay: 10 }
    const producer = new Producer({ ...addressOptions(address), ...identity, ...patience, ...options })
    producer.on('error', () => undefined)
    return producer
  }

  const ours = (transactionalId: string) => TransactionalProducer.open({ address, transactionalId })

  async function put(topic: string, texts: readonly string[], partition = 0): Promise<void> {
    const producer = await ours(`${topic} put`)
    await producer.send([texts.map((text) => outgoing(topic, text, partition))])
    await producer.close()
  }

  /** What our fetcher brings of the partition up to a record that is put behind all. */
  async function fetched(topic: string, partition = 0): Promise<readonly FetchedRecord[]> {
    await put(topic, ['end'], partition)
    const records: FetchedRecord[] = []
    const reading: Reading = { topic, partition, offset: 0n, isFull: false }
    const deliver = (_: Reading, came: readonly FetchedRecord[]) => void records.push(...came)
    const failures: unknown[] = []
    const failed = (error: unknown) => void failures.push(error)
    const fetcher = new Fetcher(
      { address, clock: systemClock, isolation: 'committed', deliver, outOfRange: failed, failed },
      () => [reading],
    )
    fetcher.start()
    await waitFor(() => records.at(-1)?.value?.toString() === 'end', { withinMs, what: `all of ${topic}` })
    await fetcher.stop()
    assert.deepEqual(failures, [])
    return records.slice(0, -1)
  }

  async function seenByOurs(topic: string, partition = 0): Promise<readonly string[]> {
    return (await fetched(topic, partition)).map(({ value }) => value?.toString() ?? '')
  }

  /** What the client's own consumer delivers with READ_COMMITTED, up to a record that is put behind all. */
  async function seenByStock(topic: string, maxBytes = 1_000_000): Promise<readonly string[]> {
    await put(topic, ['end'])
    const options = { isolationLevel: READ_COMMITTED, maxWaitTime: 200, maxBytes, maxBytesPerPartition: maxBytes }
    const consumer = new Consumer({ ...addressOptions(address), groupId: `${topic}-readers`, ...options })
    consumer.on('error', () => undefined)
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false })
    const texts: string[] = []
    for await (const { value } of stream) {
      if (value?.toString() === 'end') break
      texts.push(value?.toString() ?? '')
    }
    await consumer.close(true)
    return texts
  }

  return { address, makeTopic, stock, ours, put, fetched, seenByOurs, seenByStock }
}
