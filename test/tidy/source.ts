// Reads the project's source files and tells their code, strings and comments apart, for the rules of tidiness.
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, sep } from 'node:path'

export interface Source {
  /** From the project's root, with forward slashes. */
  readonly path: string
  readonly text: string
  /** The text with comments and the insides of strings, templates and regular expressions blanked; same offsets. */
  readonly code: string
  /** The text with everything but comments blanked; same offsets. */
  readonly comments: string
}

export interface Import {
  readonly line: number
  /** As written. */
  readonly specifier: string
  /** From the project's root if the import is relative; otherwise undefined. */
  readonly target: string | undefined
  /** `import type` and `export type` vanish before the program runs. */
  readonly typeOnly: boolean
}

const roots = ['src', 'test', 'bench', 'scripts']
const sourceFile = /\.(ts|mts|mjs|js)$/
const token = new RegExp(
  [
    /\/\/[^\n]*|\/\*[\s\S]*?\*\//, // comments
    /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/, // strings
    /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/, // regular expressions, or two divisions
    /[\w$]+|\s+|[\s\S]/, // names, space, and any other character
  ]
    .map((part) => part.source)
    .join('|'),
  'y',
)
const templateChunk = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*(?:`|\$\{|$)/y
/** After these a slash begins a regular expression; after anything else it divides. */
const beforeRegex = /^(?:[(,=:[!&|?{};+\-*%<>~^]|return|typeof|case|in|of|void|delete|throw|await|yield|)$/

const blank = (text: string): string => text.replace(/[^\n]/g, ' ')
const blankInside = (text: string): string =>
  text.length < 2 ? text : (text[0] ?? '') + blank(text.slice(1, -1)) + (text.at(-1) ?? '')

interface Piece {
  readonly kind: 'code' | 'string' | 'comment'
  readonly text: string
}

function matchAt(pattern: RegExp, text: string, index: number): string {
  pattern.lastIndex = index
  return pattern.exec(text)?.[0] ?? ''
}

function kindOf(text: string, previous: string): Piece['kind'] {
  if (text.startsWith('//') || text.startsWith('/*')) return 'comment'
  if (text.length > 1 && (text.startsWith("'") || text.startsWith('"'))) return 'string'
  return text.length > 1 && text.startsWith('/') && beforeRegex.test(previous) ? 'string' : 'code'
}

/** Cuts a program into pieces. Braces are counted, so that code inside a template's ${} is code again. */
function* piecesOf(text: string): Generator<Piece> {
  const templates: number[] = []
  let previous = ''
  let index = 0
  while (index < text.length) {
    let found = matchAt(token, text, index)
    const kind = kindOf(found, previous)
    if (kind === 'code' && found.startsWith('/')) found = '/'
    const depth = templates.at(-1)
    const resumes = found === '}' && depth === 0
    if (found === '`' || resumes) {
      if (resumes) templates.pop()
      const chunk = matchAt(templateChunk, text, index + 1)
      if (chunk.endsWith('${')) templates.push(0)
      yield { kind: 'string', text: found + chunk }
      index += 1 + chunk.length
      previous = chunk.endsWith('${') ? '{' : '`'
      continue
    }
    if (depth !== undefined && found === '{') templates[templates.length - 1] = depth + 1
    if (depth !== undefined && found === '}') templates[templates.length - 1] = depth - 1
    yield { kind, text: found }
    index += found.length
    if (kind !== 'comment' && found.trim() !== '') previous = found
  }
}

export function toSource(path: string, text: string): Source {
  const pieces = [...piecesOf(text)]
  const code = pieces.map((piece) => {
    if (piece.kind === 'comment') return blank(piece.text)
    return piece.kind === 'string' ? blankInside(piece.text) : piece.text
  })
  const comments = pieces.map((piece) => (piece.kind === 'comment' ? piece.text : blank(piece.text)))
  return { path, text, code: code.join(''), comments: comments.join('') }
}

export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

/** Static and dynamic imports and re-exports whose specifier is a plain string. */
export function importsOf({ path, text, code }: Source): readonly Import[] {
  const pattern =
    /\b(?:(?:import|export)(\s+type)?\b[^'"`;()=]*?\bfrom\s*|import\s*(?=['"])|import\s*\(\s*)(['"`])([^\S\n]*)\2/g
  return [...code.matchAll(pattern)].map((match) => {
    const end = match.index + match[0].length
    const specifier = text.slice(end - 1 - (match[3] ?? '').length, end - 1)
    const target = specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined
    return { line: lineAt(text, match.index), specifier, target, typeOnly: match[1] !== undefined }
  })
}

export const isTest = (path: string): boolean => path.endsWith('.test.ts')

/** Every source file below the roots, sorted by path. A root that does not exist yet counts as empty. */
export function readSources(projectFolder: string): readonly Source[] {
  const paths = roots.flatMap((root) => {
    const entries = readdirSync(projectFolder).includes(root)
      ? readdirSync(join(projectFolder, root), { recursive: true, withFileTypes: true })
      : []
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  })
  return paths
    .filter((path) => sourceFile.test(path))
    .map((path) => path.slice(projectFolder.length + 1).replaceAll(sep, '/'))
    .toSorted()
    .map((path) => toSource(path, readFileSync(join(projectFolder, path), 'utf8')))
}
