// Proves that the reader of source files tells code, strings and comments apart, on which every rule of tidiness rests.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { importsOf, lineAt, toSource } from './source.ts'

const codeOf = (text: string): string => toSource('src/kernel/sample.ts', text).code
const specifiersOf = (text: string) => importsOf(toSource('src/kernel/sample.ts', text)).map((each) => each.specifier)

test('comments and the insides of strings are no code', () => {
  assert.equal(codeOf('a // b\n/* c\nd */ \'e\' + "f" + `g`'), 'a     \n    \n     \' \' + " " + ` `')
})

test('each view keeps the length and the lines of the text', () => {
  const text = 'const a = `one\n${two(`three\n`)}` // four\n/* five\n */ const b = /six\\/`/u'
  const source = toSource('src/kernel/sample.ts', text)
  for (const view of [source.code, source.comments]) {
    assert.equal(view.length, text.length)
    assert.equal(lineAt(view, view.length), lineAt(text, text.length))
  }
  assert.match(source.comments, /four/)
  assert.doesNotMatch(source.comments, /six/)
})

test('code inside a template is code, and so is what follows it', () => {
  const code = codeOf('`a${b({ c: `d${e}f` })}g` + h')
  assert.deepEqual(code.match(/[a-h]/g), ['b', 'c', 'e', 'h'])
})

test('quotes and comment signs inside strings, templates and regular expressions mean nothing', () => {
  const awkward = ["'//'", '"/*"', "'\\''", '`\'"`', '/[\'"`/]/', "/'\\/\\//g", '`$`', '`\\``']
  for (const text of awkward) assert.match(codeOf(`f(${text}); marker`), /marker/, text)
})

test('a division does not begin a regular expression', () => {
  assert.match(codeOf("const a = b / c; const d = 'x'; const e = f(1) / 2 // g"), /const e = f\(1\) \/ 2/)
})

test('every form of import is found, with its specifier', () => {
  const text = [
    "import a from 'one'",
    "import type { B } from 'two'",
    'import {\n  c,\n  d,\n} from "three"',
    "import 'four'",
    "export { e } from 'five'",
    "export * from 'six'",
    "const f = await import('seven')",
    "import g, { h } from 'eight'",
  ].join('\n')
  assert.deepEqual(specifiersOf(text), ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'])
})

test('what only looks like an import is none', () => {
  const text =
    "// import a from 'one'\nconst b = `import c from 'two'`\nexport const from = 'three'\nimport.meta.resolve('x')"
  assert.deepEqual(specifiersOf(text), [])
})

test('relative imports are resolved from the project root', () => {
  const found = importsOf(toSource('src/services/orders/order.ts', "\nimport a from '../../platform/ports.ts'"))
  assert.deepEqual(
    found.map(({ target, line }) => ({ target, line })),
    [{ target: 'src/platform/ports.ts', line: 2 }],
  )
})
