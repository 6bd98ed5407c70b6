// How a topic on the brokers differs from its declaration, and whether that does harm.
import type { Topic } from '../../kernel/message.ts'
import { configOf, type DescribedTopic } from './topics.ts'

export interface Drift {
  readonly topic: string
  readonly text: string
  /** False: worth knowing, and harmless. */
  readonly isWrong: boolean
}

/** Copies below which a broker that dies takes records with it. */
const SAFE_REPLICAS = 3

/** @param found undefined where the brokers have no such topic. */
export function driftOf(declared: Topic, found: DescribedTopic | undefined, brokers: number): readonly Drift[] {
  const topic = declared.name
  if (found === undefined) {
    return [{ topic, text: 'is missing; make it with `lonja topics create`', isWrong: true }]
  }
  const drifts: Drift[] = []
  const tell = (text: string, isWrong: boolean): void => void drifts.push({ topic, text, isWrong })
  const { partitions, replicas, inSync, leaderless, config } = found
  if (partitions < declared.partitions) tell(`has ${partitions} partitions of ${declared.partitions}`, true)
  if (partitions > declared.partitions) {
    const others = 'its contract begins with; which are written the database says: `lonja topics describe`'
    tell(`has ${partitions} partitions, more than the ${declared.partitions} that ${others}`, false)
  }
  if (replicas < Math.min(SAFE_REPLICAS, brokers)) tell(`has ${replicas} copies on ${brokers} brokers`, true)
  else if (replicas < SAFE_REPLICAS) tell(`has ${replicas} copies: what one broker loses may be gone`, false)
  if (leaderless > 0) tell(`has ${leaderless} partitions that no broker leads, so nothing of them moves`, true)
  if (config === undefined) return drifts
  const needed = Number(config['min.insync.replicas'] ?? 1)
  if (inSync < needed) {
    tell(`takes nothing: ${needed} copies must be up to date (min.insync.replicas), and ${inSync} are`, true)
  }
  for (const { name, value } of configOf(declared)) {
    if (config[name] !== value) tell(`${name} is ${config[name] ?? 'not set'} instead of ${value}`, true)
  }
  return drifts
}
