// `lonja relay` and `lonja relay resend` against a server: what they ask, what they print, and what they refuse.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { startShop } from '../testing/shop.ts'
import { run } from './run.ts'

async function lonja(url: string, ...argv: readonly string[]) {
  const told = { out: '', err: '' }
  const code = await run({
    argv: [...argv, '--url', url],
    environment: {},
    readEnvFile: () => '',
    out: { write: (text: string) => (told.out += text) },
    err: { write: (text: string) => (told.err += text) },
  })
  return { code, ...told }
}

/** A server that answers as one on Kafka does, and keeps what it was asked. */
async function serveRelays() {
  const asked: unknown[] = []
  const place = { source: 'orders', topic: 'orders.events', partition: 3, first: 2, next: 40, mark: 30, waiting: 10 }
  const stopped = 'Kafka has lost some of it'
  const items = [{ services: ['orders'], holder: 'm-1', epoch: 4, places: [{ ...place, stopped }] }]
  const { source, topic, partition } = place
  const resent = { records: 10, partitions: [{ source, topic, partition, from: 20, records: 10 }] }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.method === 'POST') asked.push(JSON.parse(Buffer.concat(chunks).toString()))
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(request.method === 'POST' ? resent : { items }))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, asked, close: () => server.close() }
}

test('shows who ships, what waits and what stands still', async () => {
  const { url, close } = await serveRelays()
  try {
    const { code, out } = await lonja(url, 'relay')
    assert.equal(code, 0)
    assert.match(out, /^orders: m-1 ships, epoch 4, 10 records wait\n/)
    assert.match(out, /orders\.events\/3 of orders +shipped to 30 +log 2 to 40 +10 wait +Kafka has lost some of it/)
  } finally {
    close()
  }
})

test('sends again from a sequence or from the first, or tells how many records that would be', async () => {
  const { url, asked, close } = await serveRelays()
  try {
    const place = ['--topic', 'orders.events', '--partition', '3', '--source', 'orders']
    const dry = await lonja(url, 'relay', 'resend', ...place, '--from', '20', '--dry-run', '--reason', 'disk lost')
    assert.match(dry.out, /from 20 +10 records\n10 records of 1 partitions would be sent again\./)
    const done = await lonja(url, 'relay', 'resend', '--all', '--from', 'first', '--reason', 'all lost')
    assert.match(done.out, /10 records of 1 partitions are sent again\./)
    const named = { topic: 'orders.events', source: 'orders', partition: 3 }
    assert.deepEqual(asked, [
      { from: 20, ...named, reason: 'disk lost', dryRun: true },
      { from: 'first', reason: 'all lost', dryRun: false },
    ])
  } finally {
    close()
  }
})

test('half an order is refused with a sentence, and nothing is asked', async () => {
  const { url, asked, close } = await serveRelays()
  const because = ['--reason', 'why not']
  try {
    const mistakes: readonly (readonly [readonly string[], RegExp])[] = [
      [['--from', '3', ...because], /Write --topic TOPIC, or --all/],
      [['--topic', 'orders.events', '--all', '--from', '3', ...because], /Write --topic TOPIC, or --all/],
      [['--all', ...because], /--from SEQ is missing/],
      [['--all', '--from', '-3', ...because], /--from/],
      [['--all', '--from', '3'], /--reason "WHY" is missing/],
    ]
    for (const [words, sentence] of mistakes) {
      const { code, err } = await lonja(url, 'relay', 'resend', ...words)
      assert.equal(code, 2, words.join(' '))
      assert.match(err, sentence)
    }
    assert.deepEqual(asked, [])
  } finally {
    close()
  }
})

test('a server without Kafka says so', async () => {
  const shop = await startShop({ listens: true })
  try {
    assert.match((await lonja(shop.url ?? '', 'relay')).out, /This server ships to no Kafka/)
    const { code, err } = await lonja(shop.url ?? '', 'relay', 'resend', '--all', '--from', '0', '--reason', 'why')
    assert.equal(code, 1)
    assert.match(err, /RELAY_NONE/)
  } finally {
    await shop.stop()
  }
})
