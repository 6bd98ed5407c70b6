// Where a Kafka cluster is and who we are there.
import type { ConnectionOptions as TlsOptions } from 'node:tls'

export type SaslMechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

export interface KafkaAddress {
  /** `host:port` of at least one broker. */
  readonly brokers: readonly string[]
  /** Shown in the brokers' logs. */
  readonly clientId: string
  /** Undefined: unencrypted. */
  readonly tls?: Pick<TlsOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'rejectUnauthorized'>
  readonly sasl?: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string }
}

/** A broker that is gone refuses at once; one that hangs must not hold us long. */
export const CONNECT_WITHIN_MS = 2000
export const ANSWER_WITHIN_MS = 8000

/** The part of the client's options that says where and who. */
export function addressOptions({ brokers, clientId, tls, sasl }: KafkaAddress) {
  return {
    clientId,
    bootstrapBrokers: [...brokers],
    connectTimeout: CONNECT_WITHIN_MS,
    requestTimeout: ANSWER_WITHIN_MS,
    ...(tls === undefined ? undefined : { tls }),
    ...(sasl === undefined ? undefined : { sasl }),
  }
}
