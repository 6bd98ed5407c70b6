// The rules of shape: sizes, names, opening comments, and what tests and comments must not contain.
import { findForbidden, type Finding, type Forbidden, type Rule } from './finding.ts'
import { importsOf, isTest } from './source.ts'

const fileLinesLimit = 400
const testLinesLimit = 600
const lineLengthLimit = 120
const fileLinesMinimum = 15
const openingWordsMinimum = 3

/** A file under 15 lines is usually half an idea. Those that are a whole one stand here, each with its reason. */
export const shortFiles: Readonly<Record<string, string>> = {
  'test/chaos/kill-9-sqlite.test.ts':
    'the same chaos as on PostgreSQL, named so that each store has its line in the run',
}
/** Declarations that are short when they are good. */
const shortNames = /(?:^|\/)(?:service|services)\.ts$/

const linesOf = (text: string): readonly string[] => text.replace(/\n$/, '').split('\n')

export const sizeRule: Rule = ({ path, text }) => {
  const lines = linesOf(text)
  const limit = isTest(path) ? testLinesLimit : fileLinesLimit
  const finding = (line: number, advice: string): Finding => ({ path, line, rule: 'size', advice })
  const long = lines.flatMap((line, index) =>
    line.length > lineLengthLimit && !/https?:\/\//.test(line)
      ? [finding(index + 1, `the line has ${line.length} characters of ${lineLengthLimit}: break it`)]
      : [],
  )
  const short = lines.length < fileLinesMinimum && shortFiles[path] === undefined && !shortNames.test(path)
  return [
    ...long,
    ...(lines.length > limit
      ? [finding(limit + 1, `the file has ${lines.length} lines of ${limit}: split it by idea`)]
      : []),
    ...(short
      ? [finding(1, `the file has only ${lines.length} lines: join it to its user, or give a reason in shortFiles`)]
      : []),
  ]
}

const kebab = /^[a-z0-9]+(?:-[a-z0-9]+)*$/
const suffixes = new Set(['saga', 'projection', 'effect', 'feed', 'test', 'config', 'd'])

export const nameRule: Rule = ({ path }) => {
  const finding = (advice: string): Finding => ({ path, line: 1, rule: 'name', advice })
  const folders = path.split('/')
  const file = folders.pop() ?? ''
  const [stem = '', ...ends] = file.split('.')
  const badNames = [...folders, stem].filter((name) => !kebab.test(name))
  const badSuffixes = ends.slice(0, -1).filter((suffix) => !suffixes.has(suffix))
  return [
    ...badNames.map((name) => finding(`"${name}" is not in kebab-case: write small letters, digits and hyphens`)),
    ...badSuffixes.map((suffix) =>
      finding(`".${suffix}" is no known suffix: use .saga .projection .effect .feed .test`),
    ),
    ...(stem === 'index'
      ? [finding('no barrel files: name the file for what it holds, and import it by that name')]
      : []),
  ]
}

export const openingRule: Rule = ({ path, text }) => {
  const body = text.replace(/^#![^\n]*\n/, '')
  const opening = /^(?:(?:\/\/[^\n]*\n)+|\/\*[\s\S]*?\*\/)/.exec(body)?.[0] ?? ''
  const words = opening
    .replace(/^\s*(?:\/\/|\/?\*+\/?)|\*\/\s*$/gm, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  const isSentence = /^[^a-z].*?[.!?:]/.test(words) && words.split(' ').length >= openingWordsMinimum
  if (isSentence) return []
  const line = body === text ? 1 : 2
  return [
    {
      path,
      line,
      rule: 'opening',
      advice: 'open the file with a comment: one whole sentence that says what it is for',
    },
  ]
}

const testWords: readonly Forbidden[] = [
  {
    pattern: /\b(?:test|suite|it|describe)\s*\.\s*(?:only|skip|todo)\b/g,
    advice: 'run every test: repair it, or delete it and say so in the commit',
  },
  {
    pattern: /\b(?:test|suite|it|describe)\s*\([^\n]*\{[^\n}]*\b(?:only|skip|todo)\s*:/g,
    advice: 'run every test: what a machine lacks is installed or makes the test fail',
  },
  {
    pattern: /\b(?:t|context)\s*\.\s*(?:skip|todo)\s*\(/g,
    advice: 'run every test: a skipped one is green and proves nothing',
  },
]
const waitForFacts =
  'wait for a fact (settled(), an event, a reply), not for time; a time limit is the option { timeout }'
const sleeps: readonly Forbidden[] = [
  { pattern: /(?<![.\w])(?:setTimeout|setInterval|sleep|delay)\s*\(/g, advice: waitForFacts },
  { pattern: /\bAtomics\s*\.\s*wait\b/g, advice: waitForFacts },
]

/** Chaos stalls and kills at moments of its choosing, so its helpers, though not its tests, may wait. */
const mayNotSleep = (path: string): boolean =>
  isTest(path) || (path.startsWith('test/') && !path.startsWith('test/chaos/'))

export const honestTestRule: Rule = (source) => {
  const { path, code } = source
  const words = isTest(path) || path.startsWith('test/') ? findForbidden('honest-test', path, code, testWords) : []
  if (!mayNotSleep(path)) return words
  const timers = importsOf(source)
    .filter(({ specifier }) => /^(?:node:)?timers\/promises$/.test(specifier))
    .map(({ line }) => ({ path, line, rule: 'honest-test', advice: waitForFacts }))
  return [...words, ...findForbidden('honest-test', path, code, sleeps), ...timers]
}

const laterWords: readonly Forbidden[] = [
  { pattern: /\b(?:TODO|FIXME)\b/g, advice: 'do it now, or open an issue: plans do not live in comments' },
]

export const noPlansRule: Rule = ({ path, comments }) => findForbidden('no-plans', path, comments, laterWords)
