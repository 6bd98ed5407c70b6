// Ids: UUIDv7 that rise within a process, so that new rows land at the end of an index and sort by when they were made.
import type { Clock, Random } from './ports.ts'

// Bytes are drawn in blocks: the system's generator takes 1 µs for one id's bytes and 2 µs for those of 1,000.
const BLOCK_BYTES = 6144
const BYTES_PER_DRAW = 3

// The counter fills rand_a and the 14 bits after the variant (RFC 9562, 6.2, method 1) and starts anew at random each
// millisecond. Where it overflows, once in thousands of full milliseconds, the timestamp runs one ahead of the clock.
const COUNTER_BITS = 26
const COUNTER_LIMIT = 2 ** COUNTER_BITS
const DRAWN_BITS = 24

const TWELVE_BITS = 0xfff
const HEX: readonly string[] = Array.from({ length: TWELVE_BITS + 1 }, (_, bits) => bits.toString(16).padStart(3, '0'))
const VARIANTS: readonly string[] = ['8', '9', 'a', 'b']

/**
 * A source of UUIDv7 (RFC 9562, 5.7): 48 bits of milliseconds, a 26-bit counter with a random start, 48 random bits.
 * Each id sorts after the one before, also when the clock stands still or goes back.
 *
 * @example
 * const newId = createIds({ now: Date.now }, { fill: (block) => void randomFillSync(block) })
 */
export function createIds(clock: Pick<Clock, 'now'>, random: Pick<Random, 'fill'>): () => string {
  const draw = createDraws(random)
  let lastMs = -1
  let counter = 0
  let prefix = ''

  return function newId(): string {
    const nowMs = Math.floor(clock.now())
    counter++
    if (nowMs > lastMs || counter >= COUNTER_LIMIT) {
      lastMs = Math.max(nowMs, lastMs + 1)
      counter = draw() << (COUNTER_BITS - DRAWN_BITS)
      prefix = prefixOf(lastMs)
    }
    const variant = VARIANTS[(counter >>> 12) & 3] ?? ''
    const high = draw()
    const low = draw()
    const node = hex(high >>> 12) + hex(high) + hex(low >>> 12) + hex(low)
    return `${prefix}${hex(counter >>> 14)}-${variant}${hex(counter)}-${node}`
  }
}

// Gives DRAWN_BITS random bits a call.
function createDraws(random: Pick<Random, 'fill'>): () => number {
  const block = new Uint8Array(BLOCK_BYTES)
  const bytes = new DataView(block.buffer)
  let position = BLOCK_BYTES

  return function draw(): number {
    if (position === BLOCK_BYTES) {
      // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- no array, random bytes
      random.fill(block)
      position = 0
    }
    const bits = (bytes.getUint16(position) << 8) | bytes.getUint8(position + 2)
    position += BYTES_PER_DRAW
    return bits
  }
}

// All that ids of one millisecond share, up to the version.
function prefixOf(ms: number): string {
  const digits = ms.toString(16).padStart(12, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8)}-7`
}

function hex(bits: number): string {
  return HEX[bits & TWELVE_BITS] ?? ''
}
