// What processes cost, from Linux's /proc: processor time of a tree of processes, and what the whole machine spent.
import { readdirSync, readFileSync } from 'node:fs'

/** The unit of /proc's times (proc_pid_stat(5)): USER_HZ, 100 a second on every Linux that Node runs on. */
const TICK_MICROS = 10_000

interface Process {
  readonly pid: number
  readonly parent: number
  readonly name: string
  /** Its own, and that of children who ended and were waited for. */
  readonly cpuMicros: number
}

function readProcess(pid: number): Process | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    // It ended between the listing and the reading.
    return undefined
  }
  // A name may hold blanks and brackets, so the fields are counted from its end.
  const nameEnd = text.lastIndexOf(')')
  const fields = text.slice(nameEnd + 2).split(' ')
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  const name = text.slice(text.indexOf('(') + 1, nameEnd)
  return { pid, parent: Number(fields[1]), name, cpuMicros: ticks * TICK_MICROS }
}

/** This process and everything that it started, however deep. */
function ownProcesses(): readonly Process[] {
  const all = readdirSync('/proc').flatMap((entry) => {
    const found = /^\d+$/.test(entry) ? readProcess(Number(entry)) : undefined
    return found === undefined ? [] : [found]
  })
  const children = Map.groupBy(all, ({ parent }) => parent)
  const own = all.filter(({ pid }) => pid === process.pid)
  for (const each of own) own.push(...(children.get(each.pid) ?? []))
  return own
}

export interface ProcessorTimes {
  /** Of this process and all that it started. */
  readonly ownMicros: number
  /** Of the PostgreSQL servers among them. */
  readonly postgresMicros: number
  /** Of Kafka's brokers among them. */
  readonly kafkaMicros: number
  /** Of everybody on the machine, and what its host took away (steal). */
  readonly machineMicros: number
}

export function processorTimes(): ProcessorTimes {
  const own = ownProcesses()
  const sum = (some: readonly Process[]): number => some.reduce((total, { cpuMicros }) => total + cpuMicros, 0)
  return {
    ownMicros: sum(own),
    postgresMicros: sum(own.filter(({ name }) => name === 'postgres')),
    kafkaMicros: sum(own.filter(({ name }) => name === 'java')),
    machineMicros: machineMicros(),
  }
}

function machineMicros(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(/ +/).slice(1).map(Number)
  return (user + nice + system + irq + softirq + steal) * TICK_MICROS
}

/** How many cores others kept busy between two moments. */
export function foreignCores(before: ProcessorTimes, after: ProcessorTimes, seconds: number): number {
  const others = after.machineMicros - before.machineMicros - (after.ownMicros - before.ownMicros)
  return Math.max(0, others / 1e6 / seconds)
}

/** The most memory that a process has held so far, in MB. */
export function peakMegabytes(pid: number): number {
  return memoryMegabytes(pid, 'VmHWM')
}

export function residentMegabytes(pid: number): number {
  return memoryMegabytes(pid, 'VmRSS')
}

function memoryMegabytes(pid: number, field: string): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]
  if (kilobytes === undefined) throw new Error(`/proc/${pid}/status has no ${field}.`)
  return (Number(kilobytes) * 1024) / 1e6
}
