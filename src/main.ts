#!/usr/bin/env node
// Where the process begins: checks the Node that runs it, then hands arguments, environment and .env to the command.
import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

const NODE_NEEDED = 24
const EXIT_FAILED = 1
/** Compiled once and not at each start, which takes half the time then; where it can't be written, as before. */
const COMPILED = join(import.meta.dirname, '..', 'node_modules', '.cache', 'lonja')

function readEnvFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw new Error(`The file ${path} can't be read: ${(error as Error).message}.`, { cause: error })
  }
}

/** Loaded only on a Node that can run it: an older one would stop at the first modern line with a stack of its own. */
async function main(): Promise<number> {
  const { run } = await import('./cli/run.ts')
  return run({
    argv: process.argv.slice(2),
    environment: process.env,
    readEnvFile: () => readEnvFile('.env'),
    out: process.stdout,
    err: process.stderr,
  })
}

// Whoever reads only the first lines of our output, as `| head` does, has had enough: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : EXIT_FAILED)
})

if (Number.parseInt(process.versions.node, 10) < NODE_NEEDED) {
  process.stderr.write(
    `lonja: this needs Node ${NODE_NEEDED} or newer and runs on ${process.versions.node}. ` +
      'Start it with `npx lonja` or `npm run lonja`, which bring their own.\n',
  )
  process.exitCode = EXIT_FAILED
} else {
  enableCompileCache(COMPILED)
  process.exitCode = await main()
}
