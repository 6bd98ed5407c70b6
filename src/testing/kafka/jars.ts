// Finds Java and fetches the jars of Apache Kafka through Maven, once for all checkouts of this machine.
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** What a node is started with. */
export interface Installation {
  /** The program `java`. */
  readonly java: string
  /** The folder that holds every jar of the broker and of its tools. */
  readonly libraries: string
}

const run = promisify(execFile)
const pomFile = fileURLToPath(new URL('../../../deploy/kafka/pom.xml', import.meta.url))
const oldestJava = 17
const fetchLimitMs = 300_000
const unavailable = 'KAFKA_UNAVAILABLE'

/** The machine lacks something that Kafka needs; the message says what, and how to get it. */
function lacking(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: unavailable })
}

/** True for the errors of `findInstallation`: Kafka cannot be had here. False for a broker that failed. */
export function isUnavailable(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === unavailable
}

/** A program of the JDK that JAVA_HOME names, or else of the one on the PATH. */
function javaProgram(name: string): string {
  const home = process.env['JAVA_HOME']
  return home ? join(home, 'bin', name) : name
}

async function findJava(): Promise<string> {
  const java = javaProgram('java')
  const advice = 'install one (Debian: apt-get install openjdk-17-jre-headless), or let JAVA_HOME name it.'
  const { stderr } = await run(java, ['-version']).catch((error: unknown) => {
    throw lacking(`Apache Kafka needs Java ${oldestJava} or newer, and ${java} does not run here: ${advice}`, error)
  })
  const version = /version "(\d+)/.exec(stderr)?.[1] ?? 'unknown'
  if (Number(version) >= oldestJava) return java
  throw lacking(`Apache Kafka needs Java ${oldestJava} or newer, and ${java} is version ${version}: ${advice}`)
}

/** Where the jars lie: below KAFKA_CACHE, or else in the user's cache. Another pom gets another folder. */
export function librariesFolder(): string {
  const cache = process.env['KAFKA_CACHE'] || join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'lonja')
  const pom = readFileSync(pomFile, 'utf8')
  const version = /<artifactId>kafka_2\.13<\/artifactId>\s*<version>([^<]+)/.exec(pom)?.[1] ?? 'unknown'
  return join(cache, `kafka-${version}-${createHash('sha256').update(pom).digest('hex').slice(0, 8)}`)
}

/** Maven writes beside the goal, and a rename moves it there: nobody ever sees half of the jars. */
async function fetchInto(folder: string): Promise<void> {
  const partial = `${folder}.${process.pid}-${randomBytes(4).toString('hex')}.partial`
  mkdirSync(partial, { recursive: true })
  try {
    const pom = join(partial, 'pom.xml')
    copyFileSync(pomFile, pom)
    const libraries = join(partial, 'libraries')
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${libraries}`]
    await run('mvn', ['-q', '-B', '-C', '-f', pom, ...goal], { timeout: fetchLimitMs })
    renameSync(libraries, folder)
  } catch (error) {
    // Another process may have been faster, and its jars are as good as ours.
    if (!existsSync(folder)) throw error
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}

function explainFetch(error: unknown, folder: string): Error {
  const copy = `copy ${folder} from a machine that has it`
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
    const advice = `install Maven (Debian: apt-get install maven), or ${copy}.`
    return lacking(
      `The jars of Apache Kafka are not here yet, and mvn, which fetches them, is missing: ${advice}`,
      error,
    )
  }
  const { stdout } = error as { readonly stdout?: string }
  const said = (stdout?.trim() || String(error)).split('\n').slice(0, 5).join('\n')
  const advice = `mend what Maven names (the network, its settings.xml) and try again, or ${copy}.`
  return lacking(`Maven could not fetch the jars of Apache Kafka: ${advice} It said:\n${said}`, error)
}

/**
 * Java, and the jars, which the first call on a machine fetches (55 MB, about ten seconds).
 *
 * @throws what `isUnavailable` knows, with a sentence that says what to install or do.
 */
export async function findInstallation(
  say: (line: string) => void = (line) => void process.stderr.write(`lonja: ${line}\n`),
): Promise<Installation> {
  const java = await findJava()
  const libraries = librariesFolder()
  if (!existsSync(libraries)) {
    say('fetching Apache Kafka through Maven (55 MB), once.')
    await fetchInto(libraries).catch((error: unknown) => {
      throw explainFetch(error, libraries)
    })
  }
  return { java, libraries }
}
