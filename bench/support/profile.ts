// Reads a CPU profile of Node and says which functions took the time themselves.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** The parts that are read of V8's format (https://chromedevtools.github.io/devtools-protocol/v8/Profiler/). */
interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  /** Microseconds between samples. */
  readonly timeDeltas: readonly number[]
}

const FUNCTIONS_SHOWN = 10

/** The most expensive functions by their own time, as shares of the time that was not idle. */
export function expensiveFunctions(path: string): readonly string[] {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(path, 'utf8')) as Profile
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const micros = new Map<string, number>()
  samples.forEach((id, at) => {
    const name = names.get(id) ?? ''
    if (name !== '(idle)') micros.set(name, (micros.get(name) ?? 0) + (timeDeltas[at] ?? 0))
  })
  const total = [...micros.values()].reduce((sum, one) => sum + one, 0)
  const sorted = [...micros].toSorted(([, one], [, other]) => other - one)
  const lines = sorted.slice(0, FUNCTIONS_SHOWN).map(([name, own]) => `  ${percent(own, total)} ${name}`)
  return [
    `${basename(path)}: the most expensive functions by their own time, of ${(total / 1e6).toFixed(1)} s`,
    ...lines,
  ]
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1).padStart(5)} %`
}

function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const file = url.split('/').slice(-2).join('/')
  const place = file === '' ? '' : ` ${file}:${lineNumber + 1}`
  return `${functionName === '' ? '(nameless)' : functionName}${place}`
}
