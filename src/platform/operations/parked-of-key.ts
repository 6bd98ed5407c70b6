// Where the messages of one key wait behind a message that could not be handled: what else has to be decided first.
import { z } from 'zod'
import type { Store } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'

export const ParkedAt = z.object({
  group: z.string(),
  state: z.string().describe('retrying: tried again by itself; held: a dead letter has to be decided first.'),
  messages: z.int().describe('Messages that wait.'),
})

/** The groups in which this key is parked; their tables hold only what is parked now. */
export async function parkedOfKey(
  desk: { readonly registry: Registry; storeOf(service: string): Store; isHere(service: string): boolean },
  key: string,
): Promise<z.output<typeof ParkedAt>[]> {
  const found: z.output<typeof ParkedAt>[] = []
  for (const { name } of desk.registry.services.filter((service) => desk.isHere(service.name))) {
    const store = desk.storeOf(name)
    const rows = await store.query<{ consumer_group: string; state: string; messages: number }>(
      `SELECT consumer_group, state, messages FROM ${store.tableName(name, 'parked_keys')} WHERE key = ?
       ORDER BY consumer_group`,
      [key],
    )
    found.push(...rows.map(({ consumer_group: group, state, messages }) => ({ group, state, messages })))
  }
  return found
}

/** What an act can not move while a dead letter holds the key; empty where none does. */
export function heldSentence(parked: readonly z.output<typeof ParkedAt>[]): string {
  const held = parked.filter(({ state }) => state === 'held').map(({ group }) => group)
  if (held.length === 0) return ''
  return ` But in ${held.join(' and ')} a dead letter of this key holds it: redrive or discard that one too.`
}
