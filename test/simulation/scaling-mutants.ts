// Mutants of more partitions: each takes one safeguard of the order per key away.
import { Channels } from '../../src/platform/runtime/channels.ts'
import { LogMemory } from './log-memory.ts'
import type { Mutant } from './mutant.ts'

/** Shows where a partition lags behind the others. */
const LAGGING = ['gap', 'poison', 'theft'] as const

/** After heads were read a group takes every generation as settled, in all partitions or in some. */
function settledAtOnce(isSettled: (made: number) => boolean): () => () => void {
  return () => {
    const own = Channels.prototype.applyHeads
    Channels.prototype.applyHeads = function applied(this: Channels, ...given): void {
      own.apply(this, given)
      for (const { made, cursors } of this.all) {
        for (const cursor of cursors) {
          const crossing = { ...cursor.crossing, settled: Number.POSITIVE_INFINITY }
          if (isSettled(made)) Object.assign(cursor, { crossing })
        }
      }
    }
    return () => {
      Channels.prototype.applyHeads = own
    }
  }
}

function anyGeneration(): () => void {
  const own = LogMemory.prototype.check
  LogMemory.prototype.check = function check(this: LogMemory, append, alreadyThere): void {
    const { topic, partition } = append
    const head = this.heads().find((each) => each.topic === topic && each.partition === partition)
    own.call(this, { ...append, generation: head?.generation ?? append.generation }, alreadyThere)
  }
  return () => {
    LogMemory.prototype.check = own
  }
}

export const SCALING_MUTANTS: readonly Mutant[] = [
  { name: 'nobody waits for barriers', scales: true, favours: LAGGING, install: settledAtOnce(() => true) },
  { name: 'only new partitions wait', scales: true, favours: LAGGING, install: settledAtOnce((made) => made === 1) },
  { name: 'no generation at the head', scales: true, favours: ['pause', 'pause at commit'], install: anyGeneration },
]
