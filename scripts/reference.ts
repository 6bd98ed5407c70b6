// Writes docs/reference anew from what the code declares: `npm run reference`. A test compares the files with it.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referencePages } from './reference/pages.ts'

const folder = join(import.meta.dirname, '..', 'docs', 'reference')
const pages = await referencePages()

mkdirSync(folder, { recursive: true })
// What is not generated any more would stay there and be believed.
for (const name of readdirSync(folder)) {
  if (!pages.has(name)) rmSync(join(folder, name), { recursive: true })
}

for (const [name, text] of pages) writeFileSync(join(folder, name), text)
process.stdout.write(`docs/reference: ${[...pages.keys()].join(', ')}\n`)
