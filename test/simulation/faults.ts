// What goes wrong in a history, and when: a list that the seed gives, so that each fault can be left out.
import type { SeededRandom } from './random.ts'

/** A call of a process to one of its ports, where a fault may happen. */
export type PortKind =
  | 'begin'
  | 'load'
  | 'commit'
  | 'query'
  | 'heads'
  | 'readLog'
  | 'gateway'
  | 'carrier'
  | 'mailer'
  | BrokerKind
  | 'relay read'
  | 'relay mark'

/** Calls to Kafka: a producer takes its id over, sends, ends its transaction; a reader fetches. */
export type BrokerKind = 'fence' | 'send' | 'end' | 'fetch'

const READS: readonly PortKind[] = ['begin', 'load', 'query', 'heads', 'readLog']
const BROKER: readonly BrokerKind[] = ['fence', 'send', 'end', 'fetch']
const RELAY: readonly PortKind[] = ['relay read', 'relay mark', 'fence', 'send', 'end']
const ANY: readonly PortKind[] = [...READS, 'commit', 'gateway', 'carrier', 'mailer', ...RELAY, 'fetch']
const OUTSIDE: readonly PortKind[] = ['gateway', 'carrier']

/** Which calls each fault can happen at, and how often it is drawn. */
const FAULTS = {
  'crash before': { at: ANY, weight: 6 },
  'crash after': { at: ANY, weight: 6 },
  'crash before commit': { at: ['commit'], weight: 10 },
  'crash after commit': { at: ['commit'], weight: 10 },
  'power cut': { at: ANY, weight: 2 },
  stop: { at: ANY, weight: 3 },
  'commit lost before': { at: ['commit'], weight: 8 },
  'commit lost after': { at: ['commit'], weight: 8 },
  conflict: { at: ['commit'], weight: 4 },
  unavailable: { at: ANY, weight: 4 },
  outage: { at: READS, weight: 4 },
  pause: { at: ANY, weight: 6 },
  'pause at commit': { at: ['commit'], weight: 8 },
  theft: { at: ANY, weight: 6 },
  jump: { at: ANY, weight: 4 },
  gap: { at: ['readLog'], weight: 6 },
  poison: { at: ANY, weight: 9 },
  replay: { at: ANY, weight: 5 },
  'answer lost': { at: OUTSIDE, weight: 8 },
  'answer late': { at: OUTSIDE, weight: 8 },
  'call doubled': { at: OUTSIDE, weight: 5 },
  'crash at call': { at: [...OUTSIDE, 'mailer'], weight: 6 },
  rebuild: { at: ANY, weight: 4 },
  // Only where databases talk over Kafka: no other history draws them.
  'crash before a relay call': { at: RELAY, weight: 0 },
  'crash after a relay call': { at: RELAY, weight: 0 },
  'send refused': { at: ['send', 'end'], weight: 0 },
  'send lost after': { at: ['send', 'end'], weight: 0 },
  'mark lost before': { at: ['relay mark'], weight: 0 },
  'mark lost after': { at: ['relay mark'], weight: 0 },
  'marker lost': { at: ['end'], weight: 0 },
  'pause at send': { at: ['send', 'end'], weight: 0 },
  'broker away': { at: BROKER, weight: 0 },
  'topic refused': { at: ['send'], weight: 0 },
  'tail lost': { at: ['end', 'fetch'], weight: 0 },
  'relay theft': { at: RELAY, weight: 0 },
} as const satisfies Readonly<Record<string, { readonly at: readonly PortKind[]; readonly weight: number }>>

export type FaultKind = keyof typeof FAULTS

export interface Fault {
  /** Its number in the list of its seed: what `--without` names. */
  readonly id: number
  readonly kind: FaultKind
  /** It happens at the first call from this one on that it can happen at. */
  readonly fromCall: number
  /** How long it lasts, where it lasts. */
  readonly forMs: number
  /** Draws what else has to be chosen. */
  readonly salt: number
}

const WEIGHTS = Object.fromEntries(Object.entries(FAULTS).map(([kind, { weight }]) => [kind, weight])) as Readonly<
  Record<FaultKind, number>
>

/** The weights of some kinds alone: one that is named twice comes twice as often. */
function weightsOf(kinds: readonly FaultKind[]): Readonly<Record<FaultKind, number>> {
  const weights: Partial<Record<FaultKind, number>> = {}
  for (const kind of kinds) weights[kind] = (weights[kind] ?? 0) + 1
  return weights as Readonly<Record<FaultKind, number>>
}

/** Short ones meet what is under way, long ones outlast leases, limits of steps and holds. */
const LENGTHS_MS: readonly [number, ...number[]] = [20, 20, 300, 300, 2500, 9000, 14_000, 45_000, 400_000]
const SALTS = 1_000_000

/** Draws the faults of a history, in the order in which they come due. */
export function drawFaults(
  random: SeededRandom,
  { count, calls, kinds }: { readonly count: number; readonly calls: number; readonly kinds?: readonly FaultKind[] },
): Fault[] {
  const weights = kinds === undefined ? WEIGHTS : weightsOf(kinds)
  const faults = Array.from({ length: count }, () => ({
    kind: random.weighted(weights),
    fromCall: random.below(calls),
    forMs: Math.ceil(random.pick(LENGTHS_MS) * (0.5 + random.fraction())),
    salt: random.below(SALTS),
  }))
  return faults.toSorted((one, other) => one.fromCall - other.fromCall).map((fault, id) => ({ id, ...fault }))
}

export function describeFault({ id, kind, fromCall, forMs }: Fault): string {
  return `fault ${id}: ${kind} from call ${fromCall} on, ${forMs} ms`
}

/** Hands out the faults as their calls come. */
export class FaultPlan {
  readonly #coming: Fault[]
  #waiting: Fault[] = []
  calls = 0
  /** Those that happened. */
  readonly happened: Fault[] = []

  constructor(faults: readonly Fault[]) {
    this.#coming = [...faults]
  }

  /** Counts a call. @returns the fault that happens at it. */
  at(kind: PortKind): Fault | undefined {
    this.calls += 1
    while (this.#coming[0] !== undefined && this.#coming[0].fromCall <= this.calls) {
      this.#waiting.push(this.#coming.shift() as Fault)
    }
    if (this.#waiting.length === 0) return undefined
    const fault = this.#waiting.find((each) => (FAULTS[each.kind].at as readonly PortKind[]).includes(kind))
    if (fault === undefined) return undefined
    this.#waiting = this.#waiting.filter((each) => each !== fault)
    this.happened.push(fault)
    return fault
  }

  /** Something follows within so many calls. */
  soon(fault: Fault, calls: number): void {
    this.#coming.push({ ...fault, fromCall: this.calls + 1 + (fault.salt % calls) })
    this.#coming.sort((one, other) => one.fromCall - other.fromCall)
  }

  /** From now on nothing goes wrong any more. */
  end(): void {
    this.#coming.length = 0
    this.#waiting = []
  }
}
