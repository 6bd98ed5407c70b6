// Pieces of Markdown that every page of the reference is made of.

/** A page with its title and the sentence under it. */
export function page(title: string, introduction: string, parts: readonly string[]): string {
  return `${[`# ${title}`, introduction, ...parts].join('\n\n')}\n`
}

/** A table; cells are escaped, and a row shorter than its heading is filled up. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${heading.map((_, index) => escaped(cells[index] ?? '')).join(' | ')} |`
  return [line(heading), `|${heading.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ')
}

export function code(text: string): string {
  return text === '' ? '' : `\`${text}\``
}

/** Names one after the other, each as code. */
export function codes(names: readonly string[]): string {
  return names.map(code).join(', ')
}

/** The headings of the services, in the order in which they come. */
export function byService<Item>(
  items: readonly Item[],
  serviceOf: (item: Item) => string,
): readonly (readonly [string, readonly Item[]])[] {
  const found = new Map<string, Item[]>()
  for (const item of items) found.set(serviceOf(item), [...(found.get(serviceOf(item)) ?? []), item])
  return [...found]
}
