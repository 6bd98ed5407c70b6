// What each way in which Kafka fails means to a person: one sentence that says what happened and what to mend.
import type { KafkaAddress } from './address.ts'
import { KafkaLate } from './deadline.ts'
import { kafkaCodes, kafkaReason } from './kafka-error.ts'

/** Kafka answers, and what it says has to be mended by a person; waiting does not help. */
export class KafkaRefused extends Error {
  override readonly name = 'KafkaRefused'
}

/** Nobody answers at present: what is appended waits in the database. */
export class KafkaUnavailable extends Error {
  override readonly name = 'KafkaUnavailable'
}

interface Meaning {
  /** Of the reason with Kafka's codes in front of it. */
  readonly when: RegExp
  /** Follows "Kafka at …". */
  readonly what: (address: KafkaAddress) => string
  readonly advice: (address: KafkaAddress) => string
}

const TLS_ADVICE = 'Is KAFKA_SSL_CA_FILE the one that signed the brokers?'

/** What only a person can mend, the first that fits: as Apache Kafka 4.3.1, Node 24 and the client 2.12.1 say it. */
const REFUSALS: readonly Meaning[] = [
  {
    when: /AUTHORIZATION_FAILED/,
    what: ({ sasl }) => `does not allow ${sasl?.username ?? 'whoever does not log in'} what is needed`,
    advice: () => '`lonja acls` lists the rights.',
  },
  {
    when: /UNSUPPORTED_SASL_MECHANISM/,
    what: ({ sasl }) => `knows no users by ${sasl?.mechanism ?? 'that mechanism'}`,
    advice: () => 'Set KAFKA_SASL_MECHANISM to one that its listener takes.',
  },
  {
    when: /ILLEGAL_SASL_STATE/,
    what: () => 'has no users on that port',
    advice: () => 'Name the port where users log in, or leave KAFKA_SASL_USERNAME away.',
  },
  {
    when: /SASL_AUTHENTICATION_FAILED|Authentication failed|invalid credentials/i,
    what: () => 'refuses user or password',
    advice: () => 'Mend KAFKA_SASL_USERNAME and its password.',
  },
  {
    when: /certificate has expired/i,
    what: () => 'shows a certificate that has expired',
    advice: () => 'Renew it at the broker; is the clock of this machine right?',
  },
  {
    when: /certificate is not yet valid/i,
    what: () => 'shows a certificate that is not valid yet',
    advice: () => 'Is the clock of this machine right?',
  },
  {
    when: /does not match certificate's altnames/i,
    what: () => 'shows a certificate for other names',
    advice: () => 'Name the brokers as their certificates do.',
  },
  {
    when: /alert certificate|certificate required|handshake failure|bad certificate/i,
    what: () => 'does not take our certificate',
    advice: () => 'Are KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE those that it knows?',
  },
  {
    when: /before secure TLS connection was established|wrong version number|packet length too long|EPROTO/i,
    what: () => 'speaks no TLS on that port',
    advice: () => 'Name its port for TLS, or set KAFKA_SSL to off.',
  },
  {
    when: /certificate|self.signed|SSL|TLS|PEM routines/i,
    what: () => 'and we do not agree on TLS',
    advice: ({ tls }) => (tls === undefined ? 'Set KAFKA_SSL to on.' : TLS_ADVICE),
  },
]

/** What each way of failing means, and what to do. */
export function sentenceOf(address: KafkaAddress, error: unknown): Error {
  if (error instanceof KafkaRefused || error instanceof KafkaUnavailable) return error
  const { brokers } = address
  const at = `Kafka at ${brokers.join(', ')}`
  const reason = kafkaReason(error)
  const said = `${kafkaCodes(error).join(' ')} ${reason}`
  const refusal = REFUSALS.find(({ when }) => when.test(said))
  if (refusal !== undefined) {
    return new KafkaRefused(`${at} ${refusal.what(address)} (${reason}). ${refusal.advice(address)}`)
  }
  if (error instanceof KafkaLate) return unreachable(at, `nobody answers in time (${reason})`, 'Is it frozen?')
  const name = /getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (\S+)/.exec(reason)?.[1]
  if (name !== undefined) return unreachable(at, `nobody knows the name ${name}`, 'Is it written right?')
  if (/ECONNREFUSED/.test(reason)) {
    return unreachable(at, `nobody listens there (${reason})`, 'Is it running, and are the addresses right?')
  }
  return unreachable(at, reason, `Is it running, and are the addresses right?${hintOf(address, reason)}`)
}

function unreachable(at: string, why: string, advice: string): KafkaUnavailable {
  return new KafkaUnavailable(`${at} can't be reached: ${why}. ${advice}`)
}

/** A broker that wants more than we bring hangs up without a word, and so does one that is going down. */
function hintOf({ tls, sasl }: KafkaAddress, reason: string): string {
  if (!/connection closed/i.test(reason)) return ''
  if (tls === undefined) return ' If it wants TLS, set KAFKA_SSL to on.'
  return sasl === undefined ? ' If it wants a user, set KAFKA_SASL_USERNAME and its password.' : ''
}
