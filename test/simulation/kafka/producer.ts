// The relay's producer over the simulated broker: each of its calls can be slow, lost, or the last of its process.
import type { OutgoingRecord, TransactionalProducer } from '../../../src/platform/kafka/transactional-producer.ts'
import type { Gate, NodeLife } from '../ports.ts'
import type { Broker, Epoch } from './broker.ts'

export interface ProducerOptions {
  readonly broker: Broker
  readonly gate: Gate
  readonly life: NodeLife
  readonly transactionalId: string
}

export type Producer = Pick<TransactionalProducer, 'send' | 'close'>

/** Fences whoever had the id before. */
export async function openProducer(options: ProducerOptions): Promise<Producer> {
  const { broker, gate, life, transactionalId } = options
  const epoch = await gate.call(life, 'fence', async () => broker.takeOver(transactionalId))
  let isClosed = false
  return {
    send: async (batches) => {
      if (isClosed) throw new Error('A producer that was closed is used.')
      for (const records of batches) await sendOne(options, epoch, records)
      await gate.call(life, 'end', async () => broker.commit(epoch))
    },
    // What is under way may still arrive.
    close: async () => {
      isClosed = true
    },
  }
}

/** Sends one request's records. */
export function sendOne(
  { broker, gate, life }: ProducerOptions,
  epoch: Epoch,
  records: readonly OutgoingRecord[],
): Promise<void> {
  return gate.call(life, 'send', async () => broker.send(epoch, records))
}
