// Where a group begins to read that has no cursor yet, and how its cursor remembers that.

const AT_FIRST = 'first '
const NOW = 'now '

/**
 * A new group begins with the lowest record that is kept, and its cursor says for ever what that was: `0`, or
 * `first 1200` where the records below 1200 had been deleted already. It is not asked to look for those; a group that
 * has a cursor and misses a record stands still.
 */
export function beginningText(first: number): string {
  return first === 0 ? '0' : `${AT_FIRST}${first}`
}

/** What the cursor of a group says that began with what was appended next. */
export function beginningNowText(next: number): string {
  return `${NOW}${next}`
}

/** The sequence with which the group began, as its cursor says. */
export function beginningOf(text: string): number {
  return Number(text.replace(AT_FIRST, '').replace(NOW, ''))
}
