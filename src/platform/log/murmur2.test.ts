// The partitioner against the vectors of Kafka's own tests.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { murmur2, murmur2OfBytes, partitionFor } from './murmur2.ts'

test('hashes equal those of testMurmur2 in the UtilsTest of Apache Kafka', () => {
  assert.equal(murmur2('21'), -973932308)
  assert.equal(murmur2('foobar'), -790332482)
  assert.equal(murmur2('a-little-bit-long-string'), -985981536)
  assert.equal(murmur2('a-little-bit-longer-string'), -1486304829)
  assert.equal(murmur2('lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8'), -58897971)
  assert.equal(murmur2('abc'), 479470107)
})

test('hashes equal those that the Java client gives for one to five digits', () => {
  const expected = { 1: -1993445489, 12: 126087238, 123: -267702483, 1234: -1614185708, 12345: -1188365604 }
  for (const [key, hash] of Object.entries(expected)) assert.equal(murmur2(key), hash, key)
})

test('the partition is the positive hash modulo the count', () => {
  assert.equal(partitionFor('21', 12), (-973932308 & 0x7fffffff) % 12)
  assert.equal(partitionFor('abc', 7), 479470107 % 7)
  assert.equal(partitionFor('anything', 1), 0)
})

test('any key, ASCII or not, short or long, hashes as its UTF-8 bytes', () => {
  const key = fc.oneof(
    fc.uuid(),
    fc.string(),
    fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '\ud800') }),
    fc.string({ minLength: 250, maxLength: 260 }),
  )
  fc.assert(
    fc.property(key, fc.integer({ min: 1, max: 1000 }), (text, partitions) => {
      assert.equal(murmur2(text), murmur2OfBytes(new TextEncoder().encode(text)))
      const partition = partitionFor(text, partitions)
      assert.ok(Number.isInteger(partition) && partition >= 0 && partition < partitions)
    }),
  )
})

test('bytes in the middle of a larger buffer are hashed alone', () => {
  const bytes = new TextEncoder().encode('xxfoobarxx')
  assert.equal(murmur2OfBytes(bytes.subarray(2, 8)), -790332482)
})
