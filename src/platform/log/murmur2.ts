// Which partition a key belongs to, computed as Kafka's own clients do, so that both transports agree on every key.

// Constants and steps of org.apache.kafka.common.utils.Utils.murmur2; all arithmetic is on 32-bit integers.
const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995

// Nearly all keys are UUIDs of 36 characters. ASCII keys up to this length are copied here, which takes 60 ns with the
// hash; a Buffer for each takes 120.
const SCRATCH_BYTES = 256
const scratch = new DataView(new ArrayBuffer(SCRATCH_BYTES))

/** The partition of a key among `partitions`: Kafka's `toPositive(murmur2(keyBytes)) % numPartitions`. */
export function partitionFor(key: string, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}

/** Kafka's murmur2 of the UTF-8 bytes of a key, as a signed 32-bit integer. */
export function murmur2(key: string): number {
  const length = key.length
  if (length > SCRATCH_BYTES) return murmur2OfBytes(Buffer.from(key))
  for (let index = 0; index < length; index++) {
    const code = key.charCodeAt(index)
    if (code > 127) return murmur2OfBytes(Buffer.from(key))
    scratch.setUint8(index, code)
  }
  return hash(scratch, length)
}

/** Kafka's murmur2 of a key that is bytes already. */
export function murmur2OfBytes(bytes: Uint8Array): number {
  return hash(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), bytes.byteLength)
}

function hash(bytes: DataView, length: number): number {
  const tail = length - (length % 4)
  let result = SEED ^ length
  for (let index = 0; index < tail; index += 4) {
    const word = Math.imul(bytes.getInt32(index, true), MULTIPLIER)
    result = Math.imul(result, MULTIPLIER) ^ Math.imul(word ^ (word >>> 24), MULTIPLIER)
  }
  for (let index = tail; index < length; index++) result ^= bytes.getUint8(index) << ((index - tail) * 8)
  if (tail < length) result = Math.imul(result, MULTIPLIER)
  result = Math.imul(result ^ (result >>> 13), MULTIPLIER)
  return result ^ (result >>> 15)
}
