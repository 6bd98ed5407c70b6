// Waits for Kafka's client, but never longer than we decide: its own limits add up to twenty seconds and more.

/** The client did not answer in time. What was asked may have happened or not. */
export class KafkaLate extends Error {
  override readonly name = 'KafkaLate'
}

/**
 * @param what is asked, for the message: `sending 40 records`
 * @throws {KafkaLate} after the limit. Whatever comes later is dropped; its failure is nobody's.
 */
export async function within<Result>(limitMs: number, what: string, answer: Promise<Result>): Promise<Result> {
  // A late failure would otherwise end the process as an unhandled rejection.
  answer.catch(() => undefined)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new KafkaLate(`Kafka did not answer within ${limitMs} ms (${what}).`)), limitMs)
  })
  return Promise.race([answer, late]).finally(() => clearTimeout(timer))
}
