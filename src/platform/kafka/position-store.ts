// Keeps in a reader's database at which offsets it may go on reading: a hint that spares reading all of Kafka again.
import type { Connections } from '../store/postgres-connection.ts'
import { mapped } from '../store/postgres-errors.ts'
import { exclusivelyOver, sideConnections } from '../store/side-connections.ts'
import type { Position } from './kafka-log.ts'

const CREATE = `CREATE TABLE IF NOT EXISTS lonja.kafka_positions (scope text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL, partition integer NOT NULL, topic_id text NOT NULL, "offset" bigint NOT NULL,
  PRIMARY KEY (scope, topic, partition))`
const READ = 'SELECT topic, partition, topic_id, "offset" FROM lonja.kafka_positions WHERE scope = $1'
const WRITE = `INSERT INTO lonja.kafka_positions SELECT $1::text, w.* FROM
    unnest($2::text[], $3::integer[], $4::text[], $5::bigint[]) AS w
  ON CONFLICT (scope, topic, partition) DO UPDATE SET topic_id = excluded.topic_id, "offset" = excluded."offset"`

export class PositionStore {
  readonly #connections: Connections
  readonly #scope: string

  /** @param scope the services that read here: others read other topics, or not as far. */
  constructor(url: string, scope: string) {
    this.#scope = scope
    this.#connections = sideConnections(url)
  }

  async prepare(): Promise<void> {
    await exclusivelyOver(this.#connections, async (connection) => void (await connection.send({ text: CREATE })))
  }

  async read(): Promise<readonly Position[]> {
    const { rows } = await mapped(this.#connections.read({ text: READ, values: [this.#scope] }))
    return rows.map(([topic, partition, topicId, offset]) => ({ topic, partition, topicId, offset }) as Position)
  }

  async write(positions: readonly Position[]): Promise<void> {
    if (positions.length === 0) return
    const values = [
      this.#scope,
      positions.map(({ topic }) => topic),
      positions.map(({ partition }) => partition),
      positions.map(({ topicId }) => topicId),
      positions.map(({ offset }) => offset),
    ]
    await mapped(this.#connections.read({ text: WRITE, values }))
  }

  async close(): Promise<void> {
    await this.#connections.close()
  }
}
