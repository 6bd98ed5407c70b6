// Starts a Kafka and a PostgreSQL for the demo and ends them when whoever asked closes the standard input.
import { startKafka } from '../src/testing/kafka/kafka.ts'
import { startPostgres } from '../src/testing/postgres.ts'

/** Without anybody at the other end nothing would ever tell us to stop. */
const closed = new Promise<void>((resolve) => process.stdin.on('end', resolve).on('close', resolve).resume())

try {
  const [kafka, postgres] = await Promise.all([startKafka({ profile: 'bench' }), startPostgres({ durable: true })])
  process.stdout.write(`${JSON.stringify({ store: postgres.url, brokers: kafka.brokers })}\n`)
  await closed
  await Promise.all([kafka.stop(), postgres.stop()])
} catch (error) {
  process.stdout.write(`${JSON.stringify({ failed: (error as Error).message })}\n`)
  process.exitCode = 1
}
