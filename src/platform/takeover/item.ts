// What a process that died may have had in hand: by kind and name, and a number that changes as soon as it gets on.
import type { ParkedKey } from '../parking/parked-key.ts'
import type { Cursor } from '../runtime/channels.ts'
import type { EffectRow, TimerRow } from '../runtime/outbox.ts'

/** What waits and repeats by itself after a death. A command does not: its caller may send it again, or not. */
export type ItemKind = 'record' | 'retry' | 'timer' | 'answer'

export interface Item {
  readonly kind: ItemKind
  readonly name: string
  /** Of a cursor its next sequence, of a parked key and of a call its row's version, of a timer when it was due. */
  readonly at: number
}

/**
 * An item with how often a process may have died over it. A cursor: takeovers in a row, each from a process that died,
 * that found it as the one before had. The others, which may wait for the outside world or for their time through many
 * deaths: lives that took it up in a batch which never was committed.
 */
export interface CountedItem extends Item {
  readonly deaths: number
}

/** From so many takeovers without progress on, an item is handled alone. The protocol's number (finding 21). */
export const ALONE_FROM_DEATHS = 3

/** The partition that leases go by, in the services of one process. */
export function lotOf(hosted: readonly string[], { partitions, partition }: LotPlace): string {
  return `${hosted.toSorted().join(',')} ${partitions}/${partition}`
}

export interface LotPlace {
  readonly partitions: number
  readonly partition: number
}

export function cursorName({ group, channel }: Cursor): string {
  return recordName({ ...channel, group: group.name })
}

/** The name of a cursor, and of each record that it is at. */
export function recordName({ group, topic, partition, source }: RecordPlace): string {
  return `${group} ${topic}/${partition} of ${source}`
}

interface RecordPlace {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly source: string
}

/** Names begin with the service or its group, by which the watchdog finds their database. */
export function parkedName({ group, keyName, key }: Pick<ParkedKey, 'group' | 'keyName' | 'key'>): string {
  return `${group} ${keyName} ${key}`
}

export function timerName({ service, name, key }: TimerRow): string {
  return `${service} ${name} ${key}`
}

export function answerName({ service, id }: EffectRow): string {
  return `${service} ${id}`
}

export function isSame(one: Item, other: Item): boolean {
  return one.kind === other.kind && one.name === other.name && one.at === other.at
}

/** The text of a row's items. */
export function itemsText(items: readonly CountedItem[]): string {
  return JSON.stringify(items.map(({ kind, name, at, deaths }) => [kind, name, at, deaths]))
}

export function itemsIn(text: string): CountedItem[] {
  const rows = JSON.parse(text) as [ItemKind, string, number, number][]
  return rows.map(([kind, name, at, deaths]) => ({ kind, name, at, deaths }))
}
