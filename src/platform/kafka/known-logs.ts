// Which log goes by which service's name over Kafka: two databases that share a name must never be taken for one.
import type { Connections } from '../store/postgres-connection.ts'
import { mapped } from '../store/postgres-errors.ts'
import { exclusivelyOver, sideConnections } from '../store/side-connections.ts'

/** A log under the name of a source that is known as another one. */
export interface UnknownLog {
  readonly source: string
  readonly logId: string
  readonly known: string
}

/** Every source's log as it was heard first. */
export class KnownLogs {
  readonly #known: Map<string, string>
  readonly #ignored: ReadonlySet<string>
  readonly #unknown = new Map<string, UnknownLog>()
  #isChanged = false

  /** @param ignored identities of logs whose records are passed over: they shared a name by mistake. */
  constructor(known: ReadonlyMap<string, string>, ignored: readonly string[] = []) {
    this.#known = new Map(known)
    this.#ignored = new Set(ignored)
  }

  /** A source that is heard of for the first time is known from then on. */
  judge(source: string, logId: string): 'known' | 'ignored' | 'unknown' {
    if (this.#ignored.has(logId)) return 'ignored'
    const known = this.#known.get(source)
    if (known === logId) return 'known'
    if (known === undefined) {
      this.#known.set(source, logId)
      this.#isChanged = true
      return 'known'
    }
    this.#unknown.set(`${source}/${logId}`, { source, logId, known })
    return 'unknown'
  }

  get unknown(): readonly UnknownLog[] {
    return [...this.#unknown.values()]
  }

  /** What has to be kept; undefined where nothing came since. */
  takeChanges(): ReadonlyMap<string, string> | undefined {
    if (!this.#isChanged) return undefined
    this.#isChanged = false
    return this.#known
  }
}

/** What to tell a person, and how to go on. */
export function unknownLogText({ source, logId, known }: UnknownLog): string {
  return (
    `two databases call themselves ${source}: ${known} is known here, and ${logId} writes too, so what came after it ` +
    `in its partitions is not read. Stop the wrong one, and pass its records over with KAFKA_IGNORED_LOGS`
  )
}

const CREATE = `CREATE TABLE IF NOT EXISTS lonja.kafka_sources (source text COLLATE "C" PRIMARY KEY,
  log_id text NOT NULL)`
const READ = 'SELECT source, log_id FROM lonja.kafka_sources'
/** Whoever heard of a source first is right; all processes of a database know the same. */
const WRITE = `INSERT INTO lonja.kafka_sources SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING`

/** Keeps them in a reader's database. */
export class KnownLogStore {
  readonly #connections: Connections

  constructor(url: string) {
    this.#connections = sideConnections(url)
  }

  /** Makes the table where it is missing. */
  async read(): Promise<ReadonlyMap<string, string>> {
    await exclusivelyOver(this.#connections, async (connection) => void (await connection.send({ text: CREATE })))
    const { rows } = await mapped(this.#connections.read({ text: READ, values: [] }))
    return new Map(rows.map(([source, logId]) => [String(source), String(logId)]))
  }

  async write(known: ReadonlyMap<string, string>): Promise<void> {
    await mapped(this.#connections.read({ text: WRITE, values: [[...known.keys()], [...known.values()]] }))
  }

  async close(): Promise<void> {
    await this.#connections.close()
  }
}
