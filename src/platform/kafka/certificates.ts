// How long the certificates of a connection to Kafka are still valid: the brokers' own, the authority's and ours.
import { X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import { CONNECT_WITHIN_MS, type KafkaAddress } from './address.ts'

export interface CertificateTerm {
  /** Such as "the broker at db-one:9093". */
  readonly whose: string
  /** Milliseconds since the epoch. */
  readonly validTo: number
}

/** Two weeks: time enough for whoever is on holiday for one. */
export const TELL_BELOW_DAYS = 14
const DAY_MS = 86_400_000

/** Of a file in PEM, which may hold several, the one that ends first; undefined where it holds none. */
export function endOf(pem: string): number | undefined {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  const ends = blocks.map((block) => Date.parse(new X509Certificate(block).validTo))
  return ends.length === 0 ? undefined : Math.min(...ends)
}

/** Those of files, and what each broker that answers shows. */
export async function certificateTerms({ tls, brokers }: KafkaAddress): Promise<readonly CertificateTerm[]> {
  if (tls === undefined) return []
  const files = [
    { whose: 'the authority (KAFKA_SSL_CA_FILE)', pem: [tls.ca].flat().join('\n') },
    { whose: 'ours (KAFKA_SSL_CERT_FILE)', pem: [tls.cert].flat().join('\n') },
  ]
  const own = files.map(({ whose, pem }) => ({ whose, validTo: endOf(pem) }))
  const shown = brokers.map(async (broker) => ({
    whose: `the broker at ${broker}`,
    validTo: await shownBy(broker, tls),
  }))
  const all = [...own, ...(await Promise.all(shown))]
  return all.flatMap(({ whose, validTo }) => (validTo === undefined ? [] : [{ whose, validTo }]))
}

/** Whether it is to be trusted is for whoever sends something: here only its end is looked at. */
function shownBy(broker: string, tls: NonNullable<KafkaAddress['tls']>): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  const [, host = '', port = ''] = /^\[?([^\]]+)\]?:(\d+)$/.exec(broker) ?? []
  const socket = connect({ ...tls, host, port: Number(port), rejectUnauthorized: false, timeout: CONNECT_WITHIN_MS })
  const end = (validTo: number | undefined) => (): void => {
    socket.destroy()
    resolve(validTo)
  }
  socket.once('secureConnect', () => end(Date.parse(socket.getPeerCertificate().valid_to))())
  socket.once('error', end(undefined))
  socket.once('timeout', end(undefined))
  return promise
}

export function daysLeft({ validTo }: Pick<CertificateTerm, 'validTo'>, now: number): number {
  return (validTo - now) / DAY_MS
}

/** A sentence for each that ends soon. */
export function certificateTexts(terms: readonly CertificateTerm[], now: number): readonly string[] {
  return terms.flatMap((term) => {
    const days = daysLeft(term, now)
    if (days >= TELL_BELOW_DAYS) return []
    const day = new Date(term.validTo).toISOString().slice(0, 10)
    if (days < 0) return [`the certificate of ${term.whose} has expired on ${day}: renew it`]
    return [`the certificate of ${term.whose} expires in ${Math.floor(days)} days, on ${day}: renew it`]
  })
}
