// The order of a story: transaction by transaction, and within one pass by pass, as the cascade ran.
import type { StoryEntry } from '../../kernel/route.ts'

/** An entry as it was found, with what places it. */
export interface ToldEntry extends StoryEntry {
  /** Undefined for a saga's turn, of which only the time is known. */
  readonly transaction?: number | undefined
  /** The event that made the saga turn. */
  readonly after?: string
}

/** The transaction, and how many causes in it come before. */
type Place = readonly [transaction: number, pass: number]

/** Transactions are numbered in microseconds. */
const NUMBERS_A_MILLISECOND = 1000
const JUST_AFTER = 0.5
/** Where a record lay. */
const POSITION = /^[^/ ]+\/[^/ ]+\/\d+\/\d+$/

/** Sorts what the databases know of one correlation: a millisecond may hold several transactions, each with causes. */
export function inStoryOrder(entries: readonly ToldEntry[]): StoryEntry[] {
  const places = placesOf(entries)
  return entries
    .toSorted((one, other) => compare(places.get(one), places.get(other)) || rank(one) - rank(other))
    .map(toEntry)
}

function placesOf(entries: readonly ToldEntry[]): Map<ToldEntry, Place> {
  const byPosition = new Map(
    entries.flatMap((entry) => (entry.position === undefined ? [] : [[entry.position, entry]])),
  )
  const places = new Map<ToldEntry, Place>()
  const placeOf = (entry: ToldEntry): Place => {
    const known = places.get(entry)
    if (known !== undefined) return known
    const cause = entry.position === undefined ? undefined : byPosition.get(entry.cause ?? '')
    // A record whose cause is no longer kept came after those that the outside led to.
    const isOrphan = cause === undefined && entry.position !== undefined && POSITION.test(entry.cause ?? '')
    const own: Place = [entry.transaction ?? entry.at * NUMBERS_A_MILLISECOND, isOrphan ? 1 : 0]
    // Set before the cause is looked at: a circle, which can not be, would end here.
    places.set(entry, own)
    const [transaction, pass] = cause === undefined ? [-1, 0] : placeOf(cause)
    // Another database's clock may be behind: an entry never stands before its cause.
    const place: Place = transaction >= own[0] ? [transaction, pass + 1] : own
    places.set(entry, place)
    return place
  }
  for (const entry of entries) placeOf(entry)
  for (const turn of entries) if (turn.what === 'saga') places.set(turn, placeOfTurn(turn, entries, places))
  return places
}

/** Right after the event that it follows, else after the turn or the timer before it. */
function placeOfTurn(turn: ToldEntry, entries: readonly ToldEntry[], places: Map<ToldEntry, Place>): Place {
  const together = entries.filter(({ at, transaction }) => at === turn.at && transaction !== undefined)
  const events = together.filter(({ name, position }) => name === turn.after && position !== undefined)
  const previous = entries
    .slice(0, entries.indexOf(turn))
    .findLast(({ what, name }) => what === 'saga' && name === turn.name)
  const before = events.at(-1) ?? (previous?.at === turn.at ? previous : together[0])
  const [transaction, pass] = (before && places.get(before)) ?? [turn.at * NUMBERS_A_MILLISECOND, 0]
  return [transaction, Math.floor(pass) + JUST_AFTER]
}

function compare([one, onePass]: Place = [0, 0], [other, otherPass]: Place = [0, 0]): number {
  return one - other || onePass - otherPass
}

function toEntry({ at, service, what, name, position, cause, data }: ToldEntry): StoryEntry {
  return {
    at,
    service,
    what,
    name,
    ...(position === undefined ? {} : { position }),
    ...(cause === undefined ? {} : { cause }),
    ...(data === undefined ? {} : { data }),
  }
}

/** What came from outside stands before the records that it led to. */
function rank({ position }: ToldEntry): number {
  return position === undefined ? 0 : 1
}
