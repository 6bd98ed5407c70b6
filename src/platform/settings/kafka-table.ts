// The settings of the Kafka transport; without brokers nothing of it runs.
import { brokerList, groupPrefix, idList, onOff, oneOf, orNothing, setting, whole } from './parsers.ts'

export const kafkaTable = {
  brokers: setting({
    flag: 'log',
    environment: ['LONJA_LOG_URL', 'KAFKA_BROKERS'],
    fallback: '',
    parse: orNothing(brokerList),
    description:
      'Kafka that the logs are shipped to: kafka://host:9092,host:9092; also KAFKA_BROKER_1 and on. Needs PostgreSQL.',
  }),
  kafkaClientId: setting({
    flag: 'kafka-client-id',
    environment: ['LONJA_KAFKA_CLIENT_ID', 'KAFKA_CLIENT_ID'],
    fallback: 'lonja',
    parse: (text) => text,
    description: "Name of this process in the brokers' logs.",
  }),
  kafkaTls: setting({
    flag: 'kafka-tls',
    environment: ['LONJA_KAFKA_TLS', 'KAFKA_SSL'],
    fallback: 'off',
    parse: (text) => onOff(text.replace(/^true$/i, 'on').replace(/^false$/i, 'off')),
    description: 'Whether the brokers are spoken to over TLS: on or off.',
  }),
  kafkaCaFile: setting({
    flag: 'kafka-ca-file',
    environment: ['LONJA_KAFKA_CA_FILE', 'KAFKA_SSL_CA_FILE'],
    fallback: '',
    parse: orNothing((text) => text),
    description: "Certificate in PEM of whoever signed the brokers' certificates; those that Node knows unless given.",
  }),
  kafkaCertificateFile: setting({
    flag: 'kafka-certificate-file',
    environment: ['LONJA_KAFKA_CERTIFICATE_FILE', 'KAFKA_SSL_CERT_FILE'],
    fallback: '',
    parse: orNothing((text) => text),
    description: 'Our own certificate in PEM, where the brokers ask for one.',
  }),
  kafkaKeyFile: setting({
    flag: 'kafka-key-file',
    environment: ['LONJA_KAFKA_KEY_FILE', 'KAFKA_SSL_KEY_FILE'],
    fallback: '',
    parse: orNothing((text) => text),
    description: 'The private key of that certificate in PEM.',
  }),
  kafkaMechanism: setting({
    flag: 'kafka-sasl-mechanism',
    environment: ['LONJA_KAFKA_SASL_MECHANISM', 'KAFKA_SASL_MECHANISM'],
    fallback: 'scram-sha-512',
    parse: oneOf(['plain', 'scram-sha-256', 'scram-sha-512']),
    description: 'How user and password are proved: plain, scram-sha-256 or scram-sha-512.',
  }),
  kafkaUsername: setting({
    flag: 'kafka-username',
    environment: ['LONJA_KAFKA_USERNAME', 'KAFKA_SASL_USERNAME'],
    fallback: '',
    parse: orNothing((text) => text),
    description: 'User at the brokers; without one nobody logs in.',
  }),
  kafkaPassword: setting({
    environment: ['LONJA_KAFKA_PASSWORD', 'KAFKA_SASL_PASSWORD'],
    fallback: '',
    parse: (text) => text,
    description: 'Password of that user.',
    secret: 'hidden',
  }),
  kafkaPasswordFile: setting({
    flag: 'kafka-password-file',
    environment: ['LONJA_KAFKA_PASSWORD_FILE', 'KAFKA_SASL_PASSWORD_FILE'],
    fallback: '',
    parse: orNothing((text) => text),
    description: 'File that holds the password instead.',
  }),
  kafkaGroupPrefix: setting({
    flag: 'kafka-group-prefix',
    environment: ['LONJA_KAFKA_GROUP_PREFIX'],
    fallback: '',
    parse: groupPrefix,
    description: "Stands before the names of our groups in Kafka's tools, where others use the same names.",
  }),
  kafkaIgnoredLogs: setting({
    flag: 'kafka-ignored-logs',
    environment: ['LONJA_KAFKA_IGNORED_LOGS', 'KAFKA_IGNORED_LOGS'],
    fallback: '',
    parse: idList,
    description: 'Logs of databases that wrote under a name of others by mistake: their records are passed over.',
  }),
  relayBacklogLimit: setting({
    flag: 'relay-backlog-limit',
    environment: ['LONJA_RELAY_BACKLOG_LIMIT'],
    fallback: '100000',
    parse: whole(1, 1_000_000_000),
    description: 'Records that may wait for Kafka before `/health` says so.',
  }),
} as const
