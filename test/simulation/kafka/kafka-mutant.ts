// What a mutant may change of the way over Kafka.
import type { KafkaPlace } from './place.ts'
import type { Producer } from './producer.ts'

export interface KafkaMutant {
  /** The relay's producer as it becomes. */
  readonly producer?: (producer: Producer, place: KafkaPlace) => Producer
}

/** The place that a record names in its headers, with its number. */
export function numbersOf(records: Parameters<Producer['send']>[0][number]) {
  return records.flatMap(({ topic, partition, headers }) => {
    const texts = new Map([...headers].map(([name, value]) => [name.toString(), value.toString()]))
    const source = texts.get('ce_source')
    if (source === undefined) return []
    const [sequence, incarnation] = [Number(texts.get('lonja-sequence')), Number(texts.get('lonja-incarnation'))]
    return [{ source, topic, partition, sequence, incarnation, type: texts.get('ce_type') ?? '' }]
  })
}
