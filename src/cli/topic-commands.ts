// The commands about topics: what is declared, and what the brokers of Kafka have of it.
import { flagsOf, SERVER_SETTINGS, type Command } from './command.ts'

const KAFKA_SETTINGS = [
  'feeds',
  'brokers',
  'kafkaTls',
  'kafkaCaFile',
  'kafkaMechanism',
  'kafkaUsername',
  'kafkaPasswordFile',
] as const

const list: Command = {
  name: 'topics',
  words: '',
  summary: 'Lists the topics with what travels on them.',
  description: ['Each topic with its partitions, retention, compression, and the messages that travel on it by key.'],
  flags: flagsOf({}),
  settings: ['feeds'],
  examples: ['lonja topics', 'lonja topics --feeds order-states'],
  run: async (call) => (await import('./topics.ts')).topics(call),
}

const create: Command = {
  name: 'topics create',
  words: '',
  summary: 'Makes the declared topics on Kafka.',
  description: [
    'Those that are there already are left alone. Each partition gets as many copies as --replicas says, but no more ' +
      'than there are brokers.',
  ],
  flags: flagsOf({ replicas: { value: 'N', description: 'Copies of each partition (3, or as many as brokers).' } }),
  settings: KAFKA_SETTINGS,
  examples: ['lonja topics create --log kafka://localhost:9092'],
  run: async (call) => (await import('./kafka-topics.ts')).createTopics(call),
}

const check: Command = {
  name: 'topics check',
  words: '',
  summary: 'Compares the declared topics with what Kafka has.',
  description: [
    'Partitions, retention, compression and cleanup of each, and its copies. The exit code is 1 where something ' +
      'differs that matters; a difference that does no harm is told as a warning.',
  ],
  flags: flagsOf({}),
  settings: KAFKA_SETTINGS,
  examples: ['lonja topics check --log kafka://localhost:9092'],
  run: async (call) => (await import('./kafka-topics.ts')).checkTopics(call),
}

const describe: Command = {
  name: 'topics describe',
  words: '',
  summary: 'Shows what Kafka has of the declared topics.',
  description: [
    'Partitions, copies, settings, and the first and last offset of each partition. How many partitions are written ' +
      'to, and in which generation, the databases say: it stands there where a running server can be asked.',
  ],
  flags: flagsOf({}),
  settings: [...SERVER_SETTINGS, ...KAFKA_SETTINGS],
  examples: ['lonja topics describe --log kafka://localhost:9092'],
  run: async (call) => (await import('./kafka-topics.ts')).describeTopics(call),
}

const scale: Command = {
  name: 'topics scale',
  words: 'N [TOPIC…]',
  summary: "Gives topics more partitions, with each key's order kept.",
  description: [
    'All topics, where none is named. Asks the running server, which writes a barrier into each old partition and ' +
      'begins the next generation in one commit; groups handle what lies behind the barriers when they have passed ' +
      'all of them. Where a Kafka is named its topics get their partitions first. Topics only grow. It is refused ' +
      'while a group stands still, the last scaling is not over, or the relay is behind. Asked again it goes on ' +
      'where it was. The key needs the role operator.',
  ],
  flags: flagsOf({
    reason: { value: 'WHY', description: 'Goes into the audit; no personal data.' },
    'dry-run': { description: 'Only says what would happen.' },
  }),
  settings: [...SERVER_SETTINGS, ...KAFKA_SETTINGS],
  examples: ['lonja topics scale 12 --dry-run', 'lonja topics scale 12 --reason "eight processes from Monday on"'],
  run: async (call) => (await import('./scale-topics.ts')).scaleTopics(call),
}

const acls: Command = {
  name: 'acls',
  words: '',
  summary: 'Lists what the user of a process needs at the brokers of Kafka.',
  description: [
    'Follows from the declarations: to write to the topics of the logs that lie in its databases, to read what its ' +
      'services hear from elsewhere, its transactional id, and nothing else. Each process may have its own user. ' +
      'With --apply the rights are made, which takes a user that may do so.',
  ],
  flags: flagsOf({
    principal: { value: 'USER', description: 'Whose rights they are, such as User:payments (User:lonja).' },
    apply: { description: 'Makes them at the brokers.' },
  }),
  settings: ['services', 'store', ...KAFKA_SETTINGS],
  examples: ['lonja acls --services payments --principal User:payments'],
  run: async (call) => (await import('./acls.ts')).acls(call),
}

const kafka: Command = {
  name: 'kafka',
  words: '',
  summary: 'Shows how the running server stands with Kafka.',
  description: [
    'What it sent and read, how many topics are well, and a sentence for each thing that is to be mended. The exit ' +
      'code is 1 where nothing can be sent or read. The key needs the role operator.',
  ],
  flags: flagsOf({}),
  settings: SERVER_SETTINGS,
  examples: ['lonja kafka', 'lonja kafka --json'],
  run: async (call) => (await import('./kafka.ts')).kafka(call),
}

export const topicCommands: readonly Command[] = [list, create, check, describe, scale, acls, kafka]
