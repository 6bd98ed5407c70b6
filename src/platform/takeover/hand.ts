// What the process has in hand at this moment, in memory that it shares with the watchdog: a few stores a message.
import type { Cursor } from '../runtime/channels.ts'
import type { Reaction } from '../runtime/registry.ts'

/**
 * - record: from the log. fresh: a record that was appended in memory, by a batch that is not committed.
 * - retry, timer, answer, command: by name; a command repeats only if its caller sends it again.
 */
export const HAND_KINDS = ['none', 'record', 'fresh', 'retry', 'timer', 'answer', 'command'] as const
export type HandKind = (typeof HAND_KINDS)[number]

/** Where each thing lies in the memory, in whole numbers of 32 bits. */
const CALL = 0
const KIND = 1
const HANDLER = 2
const PLACE = 3
const PARTITIONS = 4
const TEXT_LENGTH = 5
const WHOLE_NUMBERS = 6
const AT_BYTE = 24
const TEXT_BYTE = 32
/** Keys are shorter; a longer name would only not be found again. */
const TEXT_BYTES = 1024

/** What a look at the memory shows. */
export interface InHand {
  /** Another number each time that something is taken in hand; 0 while there is nothing. */
  readonly call: number
  readonly kind: HandKind
  /** The number of the handler in the list that the watchdog was given; 0 where only the group is known. */
  readonly handler: number
  /** Of a record: the number of its cursor in the list that the watchdog was given; else the partition. */
  readonly place: number
  readonly partitions: number
  /** Of a record its sequence, of a retry its position, of a timer its due time, of an answer its row's version. */
  readonly at: number
  readonly name: string
}

export class Hand {
  readonly memory: SharedArrayBuffer
  /** Every reaction that can be in hand, in the order of their numbers; the first number is 1. */
  readonly handlers: readonly Reaction[]
  readonly #numbers: Int32Array
  readonly #at: Float64Array
  readonly #text: Uint8Array
  readonly #handlerNumbers: ReadonlyMap<Reaction, number>
  readonly #encoder = new TextEncoder()
  /** Told of the cursors that can be in hand, each with its number, whenever there are more or others. */
  watched: (cursors: readonly Cursor[]) => void = () => undefined
  #numbered = 0
  #calls = 0
  #recordKind = HAND_KINDS.indexOf('record')

  constructor(handlers: readonly Reaction[] = []) {
    this.memory = new SharedArrayBuffer(TEXT_BYTE + TEXT_BYTES)
    this.handlers = handlers
    this.#numbers = new Int32Array(this.memory, 0, WHOLE_NUMBERS)
    this.#at = new Float64Array(this.memory, AT_BYTE, 1)
    this.#text = new Uint8Array(this.memory, TEXT_BYTE, TEXT_BYTES)
    this.#handlerNumbers = new Map(handlers.map((reaction, index) => [reaction, index + 1]))
  }

  /** Gives numbers to the cursors that have none. */
  watch(cursors: readonly Cursor[]): void {
    for (const cursor of cursors) {
      if (cursor.index !== 0) continue
      this.#numbered += 1
      cursor.index = this.#numbered
    }
    this.watched(cursors)
  }

  /** Records that follow come from the log, or from the memory of a batch that is not committed. */
  recordsFrom(where: 'log' | 'memory'): void {
    this.#recordKind = HAND_KINDS.indexOf(where === 'log' ? 'record' : 'fresh')
  }

  /** @param cursor its number in the list that the watchdog was given. */
  record(cursor: number, sequence: number): void {
    const numbers = this.#numbers
    numbers[KIND] = this.#recordKind
    numbers[HANDLER] = 0
    numbers[PLACE] = cursor
    this.#at[0] = sequence
    this.#take()
  }

  named(
    kind: HandKind,
    { name, at, partitions, partition }: Pick<InHand, 'name' | 'at' | 'partitions'> & { readonly partition: number },
  ): void {
    const numbers = this.#numbers
    numbers[KIND] = HAND_KINDS.indexOf(kind)
    numbers[HANDLER] = 0
    numbers[PLACE] = partition
    numbers[PARTITIONS] = partitions
    numbers[TEXT_LENGTH] = this.#encoder.encodeInto(name, this.#text).written
    this.#at[0] = at
    this.#take()
  }

  /** What names no place to find it again: a command, or an answer of which only the states are named yet. */
  unnamed(kind: HandKind, reaction: Reaction): void {
    const numbers = this.#numbers
    numbers[KIND] = HAND_KINDS.indexOf(kind)
    numbers[TEXT_LENGTH] = 0
    this.handler(reaction)
    this.#take()
  }

  /** Which of the handlers of what is in hand runs now. */
  handler(reaction: Reaction): void {
    this.#numbers[HANDLER] = this.#handlerNumbers.get(reaction) ?? 0
  }

  /** Nothing is in hand: whatever takes long now, such as a commit, is no handler. */
  down(): void {
    this.#numbers[CALL] = 0
  }

  /** Plain stores: an atomic one costs ten times as much, and whoever hangs for seconds is seen all the same. */
  #take(): void {
    this.#calls = (this.#calls % MAX_CALL) + 1
    this.#numbers[CALL] = this.#calls
  }
}

const MAX_CALL = 2 ** 31 - 1

/** The watchdog's look. */
export function lookAt(memory: SharedArrayBuffer): InHand {
  const numbers = new Int32Array(memory, 0, WHOLE_NUMBERS)
  const text = new Uint8Array(memory, TEXT_BYTE, TEXT_BYTES)
  return {
    call: Atomics.load(numbers, CALL),
    kind: HAND_KINDS[numbers[KIND] ?? 0] ?? 'none',
    handler: numbers[HANDLER] ?? 0,
    place: numbers[PLACE] ?? 0,
    partitions: numbers[PARTITIONS] ?? 0,
    at: new Float64Array(memory, AT_BYTE, 1)[0] ?? 0,
    // A decoder takes no shared memory: a slice is a copy.
    name: new TextDecoder().decode(text.slice(0, numbers[TEXT_LENGTH] ?? 0)),
  }
}
