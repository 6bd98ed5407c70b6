// Installs what the lock file names if it is not there yet, then runs the project's own Node 24 with the arguments.
// It has to start on any Node from 18 on, so it is plain JavaScript and imports nothing but Node itself.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const stampFile = join(root, 'node_modules', '.installed')
const nodeBinary = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
const oldestNodeForTools = 20

/** Identifies an installation: another lock file, platform or processor needs another one. */
function expectedStamp() {
  const lock = readFileSync(join(root, 'package-lock.json'))
  return `${createHash('sha256').update(lock).digest('hex')} ${process.platform} ${process.arch}\n`
}

function isInstalled(stamp) {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp
}

function fail(message) {
  console.error(`lonja: ${message}`)
  process.exit(1)
}

/** Runs `npm ci` by the npm that started us, on the Node that is given. */
function runNpmCi(node) {
  const npm = process.env.npm_execpath
  if (!npm) fail('the packages are not installed yet. Run `npm run setup` in the project folder once, then try again.')
  const args = [npm, 'ci', '--no-audit', '--no-fund', '--loglevel=error']
  // The output goes to stderr, so that what a command prints can be piped on from its very first run.
  const { status, error } = spawnSync(node, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (error) fail(`npm could not be started (${error.message}). Run \`npm ci\` by hand and try again.`)
  if (status !== 0) fail('the packages could not be installed. What npm says above names the reason; then try again.')
}

function requireNode() {
  if (existsSync(nodeBinary)) return
  fail(
    'Node 24 is missing, as install scripts are switched off. Run `npm rebuild --ignore-scripts=false` and try again.',
  )
}

function install(stamp) {
  console.error('lonja: installing the packages, which takes about ten seconds, once.')
  runNpmCi(process.env.npm_node_execpath || process.execPath)
  requireNode()
  // Under Node 18 npm leaves the formatter's and the linter's binaries out, so Node 24 installs once more.
  if (Number(process.versions.node.split('.')[0]) < oldestNodeForTools) runNpmCi(nodeBinary)
  requireNode()
  writeFileSync(stampFile, stamp)
}

/** Runs Node 24 in our place: its streams are ours, our signals go to it, and its exit code is ours. */
function runNode(args) {
  const child = spawn(nodeBinary, args, { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => fail(`Node 24 could not be started (${error.message}). Run \`npm run setup\`.`))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}

const stamp = expectedStamp()
if (!isInstalled(stamp)) install(stamp)
requireNode()
const args = process.argv.slice(2)
if (args.length > 0) runNode(args)
