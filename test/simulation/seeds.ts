// Which kind of history a seed stands for: most share one database, some set one of two back, some talk over Kafka.
import type { HistoryConfig } from './config.ts'
import { plainConfigOf, setBackConfigOf } from './config.ts'
import { kafkaConfigOf } from './kafka/rules.ts'

/** One seed in so many sets a database back. */
const SET_BACK_EVERY = 20
const SET_BACK_AT = 5
/** One in so many is over Kafka: it takes several times as long, and the fixed seeds have two minutes. */
const KAFKA_EVERY = 60
const KAFKA_AT = 28

/** Draws everything that is decided beforehand. @param kafka whether each seed is a history over Kafka */
export function configOf(seed: number, { kafka = false } = {}): HistoryConfig {
  if (kafka || seed % KAFKA_EVERY === KAFKA_AT) return kafkaConfigOf(seed)
  return seed % SET_BACK_EVERY === SET_BACK_AT ? setBackConfigOf(seed) : plainConfigOf(seed)
}
