// Runs the history that a configuration stands for, whatever its kind.
import type { HistoryConfig } from './config.ts'
import type { Database } from './database.ts'
import { History } from './history.ts'
import { runKafkaHistory } from './kafka/kafka-history.ts'
import type { HistoryOptions, Outcome } from './outcome.ts'
import { runSetBackHistory } from './set-back-history.ts'

/**
 * @param database of all services, in any state; a history in which a database is set back has two of its own
 */
export function runHistory(database: Database, config: HistoryConfig, options: HistoryOptions = {}): Promise<Outcome> {
  const { setBack, kafka } = config
  if (kafka !== undefined) return runKafkaHistory({ ...config, kafka }, options)
  return setBack === undefined
    ? new History(database, config, options).run()
    : runSetBackHistory({ ...config, setBack }, options)
}
