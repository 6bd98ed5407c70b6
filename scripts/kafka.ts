// Starts, stops, shows and wipes a Kafka on this machine: `npm run kafka -- --help`.
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import {
  addressesOf,
  readStatus,
  startDetached,
  stopDetached,
  wipeDetached,
  type Status,
} from '../src/testing/kafka/detached.ts'
import { findInstallation } from '../src/testing/kafka/installation.ts'
import { host } from '../src/testing/kafka/node-configuration.ts'
import { securityFiles } from '../src/testing/kafka/security.ts'
import { toolArguments, tools, type Tool } from '../src/testing/kafka/tools.ts'

const help = `Apache Kafka 4.3.1 on this machine, for development and tests; no container, no root.
It needs Java 17 or newer and, the first time, Maven, which fetches 55 MB.

  npm run kafka -- start     start it and leave it running; 'start' again starts what is missing
  npm run kafka -- stop      stop it in order
  npm run kafka -- status    nodes, processes, addresses, size (exit code 3 if not all of it runs)
  npm run kafka -- wipe      remove its data, passwords and certificates
  npm run kafka -- tool NAME ARGUMENTS...
                             one of Kafka's own commands, for example: tool topics --list
                             NAME: ${Object.keys(tools).join(', ')}

  --nodes 1|3     3: each record on three nodes, of which one may be lost       (start; 1)
  --secure        TLS, users with passwords, ACLs                               (start)
  --port N        of the first node; the others at N+10 and N+20, and
                  controllers one above                                         (start; 9092)
  --folder PATH   where all of it lies                                          (var/kafka)

KAFKA_CACHE names another folder for what Maven fetched than ~/.cache/lonja.
`
const notRunning = 3
const defaultFolder = join(import.meta.dirname, '..', 'var', 'kafka')
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const options = {
  help: { type: 'boolean', short: 'h' },
  nodes: { type: 'string' },
  secure: { type: 'boolean' },
  port: { type: 'string' },
  folder: { type: 'string' },
} as const

function readNodes(text: string | undefined): 1 | 3 | undefined {
  if (text === undefined) return undefined
  if (text === '1' || text === '3') return text === '1' ? 1 : 3
  throw new Error(`--nodes ${text} cannot be: give 1, or 3, of which one may be lost.`)
}

const highestPort = 65_500
function readPort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (Number.isInteger(port) && port >= 1024 && port <= highestPort) return port
  throw new Error(`--port ${text} cannot be: give a whole number from 1024 to ${highestPort}.`)
}

function sayHowToConnect(folder: string, status: Status): void {
  say(`Clients connect to ${addressesOf(status)}`)
  if (!status.secure) return
  const { ca, passwords } = securityFiles(folder)
  say(`by SASL_SSL with SCRAM-SHA-512, trusting ${ca}`)
  say(`as "admin" or "lonja", whose passwords are in ${passwords}`)
}

const bytesPerMegabyte = 1_000_000

function show(folder: string): number {
  const status = readStatus(folder)
  if (status === undefined) {
    say(`There is no Kafka in ${folder}.`)
    return notRunning
  }
  for (const { id, pid, port, controllerPort } of status.nodes) {
    const state = pid === undefined ? 'stopped' : `process ${pid}`
    say(`Node ${id}: ${state}, clients ${host}:${port}, controller ${host}:${controllerPort}`)
  }
  say(`Secured: ${status.secure ? 'yes' : 'no'}`)
  say(`Data: ${(status.dataBytes / bytesPerMegabyte).toFixed(1)} MB in ${folder}`)
  return status.nodes.every(({ pid }) => pid !== undefined) ? 0 : notRunning
}

async function stop(folder: string): Promise<number> {
  if ((await stopDetached(folder, say)) === 0) say(`No Kafka runs in ${folder}.`)
  return 0
}

async function runToolHere(folder: string, [name = '', ...args]: readonly string[]): Promise<number> {
  if (!(name in tools)) throw new Error(`"${name}" is no known tool: use one of ${Object.keys(tools).join(', ')}.`)
  const status = readStatus(folder)
  if (status === undefined) throw new Error(`There is no Kafka in ${folder}: run \`npm run kafka -- start\` first.`)
  const brokers = addressesOf(status).split(',')
  const target = { installation: await findInstallation(say), brokers, folder, secure: status.secure }
  const before = toolArguments(target, name as Tool, 'admin')
  return spawnSync(target.installation.java, [...before, ...args], { stdio: 'inherit' }).status ?? 1
}

async function main(args: readonly string[]): Promise<number> {
  // What follows the word belongs to Kafka's command.
  const own = args.includes('tool') ? args.slice(0, args.indexOf('tool') + 1) : args
  const { values, positionals } = parseArgs({ args: [...own], options, allowPositionals: true })
  const folder = resolve(values.folder ?? defaultFolder)
  const [command, surplus] = positionals
  if (values.help || command === undefined) {
    say(help)
    return values.help ? 0 : 1
  }
  if (surplus !== undefined) throw new Error(`"${surplus}" is too much: give one command.`)
  switch (command) {
    case 'start': {
      const { secure } = values
      const wishes = { folder, nodes: readNodes(values.nodes), secure, port: readPort(values.port) }
      sayHowToConnect(folder, await startDetached(wishes, say))
      return 0
    }
    case 'stop':
      return stop(folder)
    case 'status':
      return show(folder)
    case 'wipe':
      say(wipeDetached(folder) ? `${folder} is empty now.` : `There is no Kafka in ${folder}.`)
      return 0
    case 'tool':
      return runToolHere(folder, args.slice(own.length))
    default:
      throw new Error(`"${command}" is no command: use start, stop, status, wipe or tool, or see --help.`)
  }
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`kafka: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
