// Writes the configuration of a Kafka node: broker and controller in one process, tuned to start and recover fast.

/** What a node is started with. */
export interface Installation {
  /** The program `java`. */
  readonly java: string
  /** The folder that holds every jar of the broker and of its tools. */
  readonly libraries: string
  /** The checkpoint that an unsecured cluster begins with. */
  readonly checkpoint: string
  /** The classes as Java keeps them for a faster start; the file may be missing. */
  readonly archive: string
}

export interface NodePlan {
  /** 1, 2, 3. */
  readonly id: number
  /** Where clients connect. */
  readonly port: number
  readonly controllerPort: number
}

/** How a broker is reached by the others: it listens at `port`, and they are told to come through another. */
export interface PeerWay {
  readonly port: number
  readonly through: number
}

/** `test` starts fastest, as its JIT compiler stops early; `bench` compiles and writes as a server in earnest does. */
export type Profile = 'test' | 'bench'

export interface ClusterPlan extends Installation {
  /** Holds a folder `node-1` and so on for each node. */
  readonly folder: string
  readonly nodes: readonly NodePlan[]
  readonly profile: Profile
  /** SASL_SSL with SCRAM-SHA-512, and ACLs. */
  readonly secure: boolean
  /** Any other setting of server.properties; it wins over ours. */
  readonly settings: Readonly<Record<string, string>>
  /** By node, where brokers reach each other otherwise than clients do. */
  readonly peers?: readonly PeerWay[]
  /** Instead of the use of the archive. */
  readonly javaOptions?: readonly string[]
}

export type Settings = Readonly<Record<string, string>>

export const host = '127.0.0.1'

/** Small internal topics and no idle waiting: an empty node is ready in 2.5 s instead of 4. */
const fast: Settings = {
  'auto.create.topics.enable': 'false',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
  'group.consumer.min.session.timeout.ms': '1000',
  'group.consumer.session.timeout.ms': '6000',
  'group.consumer.min.heartbeat.interval.ms': '500',
  'group.consumer.heartbeat.interval.ms': '1000',
  'offsets.topic.num.partitions': '4',
  'offsets.topic.segment.bytes': '1048576',
  'transaction.state.log.num.partitions': '4',
  'transaction.state.log.segment.bytes': '1048576',
  'share.coordinator.state.topic.num.partitions': '1',
  'num.network.threads': '2',
  'num.io.threads': '4',
  'background.threads': '2',
  'log.index.size.max.bytes': '1048576',
  'log.cleaner.dedupe.buffer.size': '2097152',
  // A node killed by -9 waits until its old registration has expired: 4.1 s to ready instead of 12.2 s.
  'broker.session.timeout.ms': '2000',
  'broker.heartbeat.interval.ms': '500',
}

/** A dead controller is replaced within 3 s instead of 8. */
const fastElections: Settings = {
  'controller.quorum.election.timeout.ms': '500',
  'controller.quorum.fetch.timeout.ms': '1000',
}

const byProfile: Readonly<Record<Profile, Settings>> = { test: { 'log.segment.bytes': '16777216' }, bench: {} }

/** Three copies of which two must be written, or one where there is but one node. */
function replication(nodes: number): Settings {
  const copies = String(nodes)
  const inSync = String(nodes >= 3 ? 2 : 1)
  return {
    'default.replication.factor': copies,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': inSync,
  }
}

function identity({ nodes, secure }: ClusterPlan, node: NodePlan, data: string): Settings {
  const client = `${secure ? 'SASL_SSL' : 'PLAINTEXT'}://${host}:${node.port}`
  return {
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': nodes.map(({ id, controllerPort }) => `${id}@${host}:${controllerPort}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    listeners: `${client},CONTROLLER://${host}:${node.controllerPort}`,
    'advertised.listeners': client,
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': data,
  }
}

/** A listener for the other brokers alone, so that what lies between them can be cut while clients come through. */
function peerListener(plan: ClusterPlan, node: NodePlan): Settings {
  const way = plan.peers?.[node.id - 1]
  if (way === undefined) return {}
  const own = identity(plan, node, '')
  return {
    listeners: `${own['listeners']},PEERS://${host}:${way.port}`,
    'advertised.listeners': `${own['advertised.listeners']},PEERS://${host}:${way.through}`,
    'inter.broker.listener.name': 'PEERS',
    'listener.security.protocol.map': `${own['listener.security.protocol.map']},PEERS:PLAINTEXT`,
  }
}

/** The settings of a node, in which `data` is the folder of its logs, and `security` is empty unless it is secured. */
export function nodeSettings(plan: ClusterPlan, node: NodePlan, own: { data: string; security: Settings }): Settings {
  return {
    ...fast,
    ...(plan.nodes.length > 1 ? fastElections : {}),
    ...byProfile[plan.profile],
    ...replication(plan.nodes.length),
    ...identity(plan, node, own.data),
    ...peerListener(plan, node),
    ...own.security,
    ...plan.settings,
  }
}

/** The text of a file of Java's Properties. */
export function toProperties(settings: Settings): string {
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\')}\n`)
  return lines.join('')
}

/** Warnings, and the one line that says that the node is ready. */
export const logConfiguration = `Configuration:
  Appenders: {Console: {name: OUT, PatternLayout: {pattern: "%d{HH:mm:ss.SSS} %p %c{1} %m%n"}}}
  Loggers: {Root: {level: WARN, AppenderRef: [{ref: OUT}]}, Logger: [{name: kafka.server.KafkaRaftServer, level: INFO}]}
`

const smallJava = ['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC']
/** The second compiler stage costs more than it gains in a run of seconds. */
const quickStart = ['-XX:TieredStopAtLevel=1']

/** Arguments for `java` before the class, for a node of that profile. */
export const javaOptions: Readonly<Record<Profile, readonly string[]>> = {
  test: [...smallJava, ...quickStart],
  bench: smallJava,
}

/** Arguments for `java` before the class, for the command-line classes. */
export const toolOptions: readonly string[] = ['-Xmx256m', '-XX:+UseSerialGC', ...quickStart]
