// Takes a page of the documentation apart, so that tests can do what it says: files, edits, commands, answers.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const projectFolder = join(import.meta.dirname, '..', '..')

export interface Block {
  readonly language: string
  readonly text: string
  /** The path that stands alone in backticks on the line above; blocks of one language in a row share it. */
  readonly path: string | undefined
}

/** @param path from the project's root */
export function readPage(path: string): string {
  return readFileSync(join(projectFolder, path), 'utf8')
}

/** Every fenced block of a page, in order. */
export function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = []
  let end = 0
  for (const match of page.matchAll(/^```(\w*)[^\n]*\n([\s\S]*?)^```$/gm)) {
    const between = page.slice(end, match.index).trim()
    const named = /(?:^|\n)`([\w./-]+)`$/.exec(between)?.[1]
    const [language = '', previous] = [match[1], blocks.at(-1)]
    const goesOn = between === '' && previous?.language === language
    blocks.push({ language, text: match[2] ?? '', path: named ?? (goesOn ? previous.path : undefined) })
    end = match.index + match[0].length
  }
  return blocks
}

/** Applies a piece of a diff: each added line goes below the line above it in the piece, which must be there once. */
export function applyDiff(text: string, diff: string): string {
  const lines = text.split('\n')
  let anchor = -1
  for (const line of diff.split('\n').filter((each) => each !== '')) {
    const content = line.slice(1)
    if (line.startsWith('+')) {
      if (anchor < 0) throw new Error(`Nothing stands above the added line "${content}".`)
      anchor += 1
      lines.splice(anchor, 0, content)
      continue
    }
    const places = lines.flatMap((each, index) => (each === content ? [index] : []))
    if (places.length !== 1) throw new Error(`The line "${content}" was found ${places.length} times.`)
    anchor = places[0] ?? -1
  }
  return lines.join('\n')
}
