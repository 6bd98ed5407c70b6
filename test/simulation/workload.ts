// What callers want in a history: some fifty commands over few or many SKUs, drawn from the seed.
import type { SeededRandom } from './random.ts'

export type CommandKind = 'place' | 'cancel' | 'return' | 'adjust' | 'pay by hand' | 'give up' | 'change price'

export interface Command {
  /** Its number, and the principal that asks: `c17`. */
  readonly id: number
  readonly kind: CommandKind
  /** After the beginning, in milliseconds. */
  readonly atMs: number
  /** The command that placed the order which it is about. */
  readonly about: number
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[]
  readonly payments: readonly string[]
  /** Words that the simulated outside obeys. */
  readonly words: string
  readonly quantity: number
  /** Sent to two nodes at once under one key. */
  readonly isDoubled: boolean
  /** Sent again after its answer came. */
  readonly isRepeated: boolean
}

export interface WorkloadRules {
  readonly commands: number
  readonly skus: number
  /** So many commands come at once, more or less: requests of one moment share a batch. */
  readonly burst: number
  /** The mean time between two bursts. */
  readonly gapMs: number
  /** Whether what is bought is often more than there is. */
  readonly isScarce: boolean
  /** Whether most orders are cancelled, at any moment of their way. */
  readonly isCancelled?: boolean
}

/** So many pieces of each SKU there are at the beginning. */
export const OPENING_QUANTITY = 12
export const MAX_SKUS = 10

export function skuOf(index: number): string {
  return `SKU-${index}`
}

const KINDS: Readonly<Record<CommandKind, number>> = {
  place: 60,
  cancel: 14,
  return: 9,
  adjust: 8,
  'pay by hand': 4,
  'give up': 3,
  'change price': 2,
}

/** Where most orders are cancelled. */
const MOSTLY_CANCELS: typeof KINDS = { ...KINDS, cancel: 60 }

/** How the outside behaves for an order: mostly well. */
const WORDS: Readonly<Record<string, number>> = {
  '': 60,
  'SLOW-3000': 4,
  'SLOW-9500': 3,
  'SLOW-20000': 3,
  'SLOW-290000': 3,
  'SLOW-330000': 2,
  TIMEOUT: 2,
  'LOSE-ANSWER': 4,
  'LOSE-REFUND': 3,
  'DECLINE-FRAUD': 4,
  'DECLINE2-LIMIT': 3,
  'REFUSE-REFUND': 2,
  'GATEWAY-DOWN': 1,
  'REFUSE-SHIPMENT': 3,
  'SLOW-SHIPMENT-60000': 3,
  'LOSE-BOOKING': 2,
  'REFUSE-CANCELLATION': 2,
  'CARRIER-DOWN': 1,
}

const PAYMENTS: Readonly<Record<string, number>> = { card: 12, 'card card': 3, manual: 3, 'card manual': 1, pix: 1 }

/** How long after its order a command about it comes: at once, within a step, at the limits of steps, much later. */
const AFTER_MS: readonly [number, ...number[]] = [0, 1, 5, 30, 1000, 10_000, 30_000, 299_990, 600_000]

/** Draws the commands in the order of their time. */
export function drawCommands(random: SeededRandom, rules: WorkloadRules): Command[] {
  const commands: Command[] = []
  let atMs = 0
  for (let id = 0; id < rules.commands; id += 1) {
    const isFirst = commands.every(({ kind }) => kind !== 'place')
    const kind = isFirst ? 'place' : random.weighted(rules.isCancelled === true ? MOSTLY_CANCELS : KINDS)
    if (random.below(rules.burst) === 0) atMs += Math.floor(random.fraction() * 2 * rules.gapMs)
    const orders = commands.filter((each) => each.kind === 'place')
    // The latest orders are still under way.
    const about = orders[Math.max(0, orders.length - 1 - random.below(random.pick([2, 6, orders.length])))]
    const isAbout = kind !== 'place' && kind !== 'adjust' && kind !== 'change price'
    const laterMs = isAbout ? Math.floor(random.pick(AFTER_MS) * (0.9 + random.fraction() / 5)) : 0
    const drawn = drawCommand(random, rules)
    const lines = kind === 'return' && about !== undefined ? about.lines : drawn.lines
    commands.push({ ...drawn, lines, id, kind, atMs: atMs + laterMs, about: isAbout ? (about?.id ?? -1) : -1 })
  }
  return commands.toSorted((one, other) => one.atMs - other.atMs || one.id - other.id)
}

function drawCommand(
  random: SeededRandom,
  { skus, isScarce }: WorkloadRules,
): Omit<Command, 'id' | 'kind' | 'atMs' | 'about'> {
  const count = random.between(1, Math.min(3, skus))
  const most = isScarce ? 4 : 2
  const lines = Array.from({ length: count }, () => {
    return { sku: skuOf(random.below(skus)), quantity: random.between(1, most) }
  })
  return {
    lines,
    payments: random.weighted(PAYMENTS).split(' '),
    words: random.weighted(WORDS),
    quantity: random.chance(0.5) ? random.between(1, 6) : -random.between(1, 4),
    isDoubled: random.chance(0.08),
    isRepeated: random.chance(0.15),
  }
}
