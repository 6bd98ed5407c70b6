// Finds Java and fetches the jars of Apache Kafka through Maven, once for all checkouts of this machine.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cacheFolder, makeOnce } from '../make-once.ts'

const run = promisify(execFile)
const pomFile = fileURLToPath(new URL('../../../deploy/kafka/pom.xml', import.meta.url))
const oldestJava = 17
const fetchLimitMs = 300_000
const linesTold = 5
/** Counts the ways in which the folder was filled; checkouts of different age share the cache. */
const layout = 2
const unavailable = 'KAFKA_UNAVAILABLE'

/** The machine lacks something that Kafka needs; the message says what, and how to get it. */
function lacking(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: unavailable })
}

/** True for the errors of `findJava` and `fetchJars`: Kafka cannot be had here. False for a broker that failed. */
export function isUnavailable(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === unavailable
}

/** A program of the JDK that JAVA_HOME names, or else of the one on the PATH. */
export function javaProgram(name: string): string {
  const home = process.env['JAVA_HOME']
  return home ? join(home, 'bin', name) : name
}

export interface Java {
  readonly java: string
  /** Such as `17.0.15`. */
  readonly version: string
}

export async function findJava(): Promise<Java> {
  const java = javaProgram('java')
  const advice = 'install one (Debian: apt-get install openjdk-17-jre-headless), or let JAVA_HOME name it.'
  const { stderr } = await run(java, ['-version']).catch((error: unknown) => {
    throw lacking(`Apache Kafka needs Java ${oldestJava} or newer, and ${java} does not run here: ${advice}`, error)
  })
  const version = /version "([\w.+-]+)"/.exec(stderr)?.[1] ?? 'unknown'
  if (Number.parseInt(version, 10) >= oldestJava) return { java, version }
  throw lacking(`Apache Kafka needs Java ${oldestJava} or newer, and ${java} is version ${version}: ${advice}`)
}

/** Where all is kept: below KAFKA_CACHE, or else in the user's cache. Another pom gets another folder. */
export function installationFolder(): string {
  const cache = process.env['KAFKA_CACHE'] || cacheFolder()
  const pom = readFileSync(pomFile, 'utf8')
  const version = /<artifactId>kafka_2\.13<\/artifactId>\s*<version>([^<]+)/.exec(pom)?.[1] ?? 'unknown'
  const hash = createHash('sha256').update(`${layout} ${pom}`).digest('hex')
  return join(cache, `kafka-${version}-${hash.slice(0, 8)}`)
}

/** Copies every jar of the broker and of its tools into `partial`/libraries. */
async function runMaven(partial: string): Promise<void> {
  const pom = join(partial, 'pom.xml')
  copyFileSync(pomFile, pom)
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${join(partial, 'libraries')}`]
  await run('mvn', ['-q', '-B', '-C', '-f', pom, ...goal], { timeout: fetchLimitMs })
}

function explainMaven(error: unknown, folder: string): Error {
  const copy = `copy ${folder} from a machine that has it`
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
    const advice = `install Maven (Debian: apt-get install maven), or ${copy}.`
    return lacking(
      `The jars of Apache Kafka are not here yet, and mvn, which fetches them, is missing: ${advice}`,
      error,
    )
  }
  const { stdout } = error as { readonly stdout?: string }
  const said = (stdout?.trim() || String(error)).split('\n').slice(0, linesTold).join('\n')
  const advice = `mend what Maven names (the network, its settings.xml) and try again, or ${copy}.`
  return lacking(`Maven could not fetch the jars of Apache Kafka: ${advice} It said:\n${said}`, error)
}

/**
 * Fills `folder` unless it is there: the jars below `libraries`, and what `complete` adds.
 *
 * @throws what `isUnavailable` knows, with a sentence that says what to install or do.
 */
export async function fetchJars(folder: string, complete: (partial: string) => Promise<void>): Promise<void> {
  await makeOnce(folder, async (partial) => {
    await runMaven(partial).catch((error: unknown) => {
      throw explainMaven(error, folder)
    })
    await complete(partial)
  })
}
