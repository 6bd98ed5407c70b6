// Reads the address of Kafka from the settings, with the files that they name.
import { readFileSync } from 'node:fs'
import type { Settings } from '../settings.ts'
import type { KafkaAddress, SaslMechanism } from './address.ts'

type KafkaSettings = Pick<
  Settings,
  | 'brokers'
  | 'kafkaClientId'
  | 'kafkaTls'
  | 'kafkaCaFile'
  | 'kafkaCertificateFile'
  | 'kafkaKeyFile'
  | 'kafkaMechanism'
  | 'kafkaUsername'
  | 'kafkaPassword'
  | 'kafkaPasswordFile'
>

/** Undefined where no brokers are named. @throws a sentence where a file can't be read. */
export function kafkaAddressOf(settings: KafkaSettings): KafkaAddress | undefined {
  const { brokers, kafkaClientId: clientId } = settings
  if (brokers === undefined) return undefined
  const tls = tlsOf(settings)
  const sasl = saslOf(settings)
  return { brokers, clientId, ...(tls && { tls }), ...(sasl && { sasl }) }
}

function tlsOf({ kafkaTls, kafkaCaFile, kafkaCertificateFile, kafkaKeyFile }: KafkaSettings): KafkaAddress['tls'] {
  if (!kafkaTls) return undefined
  return {
    ...(kafkaCaFile && { ca: [textOf(kafkaCaFile)] }),
    ...(kafkaCertificateFile && { cert: textOf(kafkaCertificateFile) }),
    ...(kafkaKeyFile && { key: textOf(kafkaKeyFile) }),
  }
}

function saslOf(settings: KafkaSettings): KafkaAddress['sasl'] {
  const { kafkaUsername: username, kafkaMechanism, kafkaPassword, kafkaPasswordFile } = settings
  if (username === undefined) return undefined
  const password = kafkaPasswordFile === undefined ? kafkaPassword : textOf(kafkaPasswordFile).trimEnd()
  return { mechanism: kafkaMechanism.toUpperCase() as SaslMechanism, username, password }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`The file ${path} for Kafka can't be read: ${(error as Error).message}.`, { cause: error })
  }
}
