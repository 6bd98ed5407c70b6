// How long certificates are still valid: of files, of a broker that shows one, and from when on people are told.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createServer } from 'node:tls'
import { expiredCertificate } from '../../testing/expired-certificate.ts'
import { localhostCertificate, localhostKey } from '../../testing/localhost-certificate.ts'
import { certificateTerms, certificateTexts, daysLeft, endOf } from './certificates.ts'

const DAY_MS = 86_400_000

test('of several certificates in a file the one that ends first counts', () => {
  assert.equal(new Date(endOf(`${localhostCertificate}${expiredCertificate}`) ?? 0).getUTCFullYear(), 2020)
  assert.equal(new Date(endOf(localhostCertificate) ?? 0).getUTCFullYear(), 2120)
  assert.equal(endOf('nothing of the kind'), undefined)
})

test('the authority, ours, and what the broker shows; one that does not answer is left out', async () => {
  const server = createServer({ key: localhostKey, cert: localhostCertificate })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const broker = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const tls = { ca: [expiredCertificate], cert: localhostCertificate }
  const terms = await certificateTerms({ brokers: [broker, '127.0.0.1:1'], clientId: 'test', tls })
  server.close()
  assert.deepEqual(
    terms.map(({ whose, validTo }) => `${whose} ${new Date(validTo).getUTCFullYear()}`),
    ['the authority (KAFKA_SSL_CA_FILE) 2020', 'ours (KAFKA_SSL_CERT_FILE) 2120', `the broker at ${broker} 2120`],
  )
  assert.deepEqual(await certificateTerms({ brokers: [broker], clientId: 'test' }), [])
})

test('two weeks before its end a certificate is told, and once it has expired', () => {
  const validTo = Date.parse('2027-03-01T00:00:00Z')
  const at = (days: number): readonly string[] => {
    return certificateTexts([{ whose: 'the broker at db:9093', validTo }], validTo - days * DAY_MS)
  }
  assert.deepEqual(at(14), [])
  assert.deepEqual(at(13.9), ['the certificate of the broker at db:9093 expires in 13 days, on 2027-03-01: renew it'])
  assert.deepEqual(at(-1), ['the certificate of the broker at db:9093 has expired on 2027-03-01: renew it'])
  assert.equal(daysLeft({ validTo }, validTo - 3 * DAY_MS), 3)
})
