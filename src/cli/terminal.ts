// Where commands write: lines for people or programs, and one progress line that is rewritten in place.

/** The part of a stream of Node that is used, so that tests can hand in their own. */
export interface Sink {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

export interface Terminal {
  /** A line of the command's result. */
  line(text?: string): void
  /** One JSON object on one line. */
  json(value: unknown): void
  /** A line about the run itself, on standard error: never part of the result. */
  note(text: string): void
  /** How far a long run is: rewritten in place on a terminal, a plain line every few seconds elsewhere. */
  progress(text: string): void
  /** Ends the progress line, so that what follows begins on its own. */
  endProgress(): void
  readonly columns: number
}

const USUAL_COLUMNS = 80
/** Where the progress can't be rewritten, a line this often is enough. */
const PLAIN_PROGRESS_MS = 5000

export function createTerminal(out: Sink, err: Sink): Terminal {
  let isOpen = false
  let shownAtMs = -Infinity
  const columns = out.columns ?? err.columns ?? USUAL_COLUMNS
  const endProgress = (): void => {
    if (isOpen) err.write('\n')
    isOpen = false
  }
  return {
    columns,
    line(text = '') {
      endProgress()
      out.write(`${text}\n`)
    },
    json(value) {
      endProgress()
      out.write(`${JSON.stringify(value)}\n`)
    },
    note(text) {
      endProgress()
      err.write(`${text}\n`)
    },
    progress(text) {
      if (err.isTTY === true) {
        // Back to the first column, and clear what an earlier and longer text left behind.
        err.write(`\r\u001b[K${text.slice(0, columns - 1)}`)
        isOpen = true
      } else if (performance.now() - shownAtMs >= PLAIN_PROGRESS_MS) {
        shownAtMs = performance.now()
        err.write(`${text}\n`)
      }
    },
    endProgress,
  }
}

/** Rows of text in columns that are as wide as their widest cell; the last one runs on. */
export function tableOf(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** Breaks a paragraph into lines of at most so many characters. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** Breaks a line of a table at the width; what follows lies under the beginning of the last column. */
export function hanging(line: string, column: number, width: number): string[] {
  const [first = '', ...rest] = wrapped(line.slice(column), Math.max(1, width - column))
  return [line.slice(0, column) + first, ...rest.map((text) => ' '.repeat(column) + text)]
}
