// What a mutant may change: each takes one safeguard away, from outside of the shipped code.
import type { Service } from '../../src/kernel/service.ts'
import type { Registry } from '../../src/platform/runtime/registry.ts'
import type { FaultKind } from './faults.ts'
import type { KafkaMutant } from './kafka/kafka-mutant.ts'
import type { StoreMutant } from './node-store.ts'
import type { adaptersOf } from './outside.ts'

type Adapters = ReturnType<typeof adaptersOf>

export interface Mutant {
  readonly name: string
  /** Faults that the safeguard is there for: a mutant's histories have more of them, and several nodes. */
  readonly favours?: readonly FaultKind[]
  /** Whether undos come before their do in all of its histories, and not in some. */
  readonly undoesFirst?: true
  /** Whether most orders are cancelled in all of its histories. */
  readonly cancels?: true
  /** Whether topics are scaled in all of its histories. */
  readonly scales?: true
  readonly store?: StoreMutant
  /** A database is set back in all of its histories, and goes on under the incarnation that it had. */
  readonly keepsIncarnation?: true
  /** The way over Kafka, in histories that have one. */
  readonly kafka?: KafkaMutant
  /** The declarations as they become. */
  readonly services?: (services: readonly Service[]) => readonly Service[]
  /** Changes the reactions of one node, before the probes are put in. */
  readonly weaken?: (registry: Registry) => void
  readonly adapters?: (adapters: Adapters) => Adapters
  /** Changes what only a prototype reaches, for the time of its run; the returned function takes it back. */
  readonly install?: () => () => void
}

/** Puts another method into a class for a while. */
export function replaced<Class extends object, Name extends keyof Class>(
  prototype: Class,
  name: Name,
  method: (own: Class[Name]) => Class[Name],
): () => void {
  const own = prototype[name]
  prototype[name] = method(own)
  return () => {
    prototype[name] = own
  }
}
