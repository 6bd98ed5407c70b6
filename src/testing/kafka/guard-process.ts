// Starts the guard, the process that owns a Kafka for tests, and puts orders to it.
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { GuardAnswer, GuardOrder } from './guard.ts'

type GuardProcess = ChildProcessByStdio<Writable, Readable, null>

/** While a request is under way the guard keeps this process alive, and at other times it does not. */
function keepAlive(child: GuardProcess, alive: boolean): void {
  const verb = alive ? 'ref' : 'unref'
  child[verb]()
  for (const stream of [child.stdin, child.stdout] as unknown as Socket[]) stream[verb]()
}

export interface Guard {
  /** Returns the nodes' ports for the order to start. */
  readonly ask: (order: GuardOrder) => Promise<readonly number[]>
  /** Ends Kafka, and then the guard itself. */
  readonly end: () => Promise<void>
}

export function startGuard(): Guard {
  const file = fileURLToPath(new URL('guard.ts', import.meta.url))
  // Detached, so that a signal to our whole process group leaves it alive to tidy up.
  const child = spawn(process.execPath, [file], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    windowsHide: true,
  })
  child.stdin.on('error', () => {})
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const exited = once(child, 'exit')
  keepAlive(child, false)
  let queue: Promise<unknown> = Promise.resolve()

  async function askNow(order: GuardOrder): Promise<readonly number[]> {
    keepAlive(child, true)
    child.stdin.write(`${JSON.stringify(order)}\n`)
    const line = await answers.next()
    keepAlive(child, false)
    if (line.done) throw new Error('The guard of Kafka for tests is gone: Kafka was stopped or its guard killed.')
    const answer = JSON.parse(line.value) as GuardAnswer
    if ('failed' in answer) throw new Error(`Kafka for tests failed: ${answer.failed}`)
    return answer.ports
  }
  /** One order after the other: each answer belongs to the order before it. */
  function ask(order: GuardOrder): Promise<readonly number[]> {
    const turn = queue.then(() => askNow(order))
    queue = turn.catch(() => {})
    return turn
  }
  async function end(): Promise<void> {
    keepAlive(child, true)
    child.stdin.end()
    await exited
  }
  return { ask, end }
}
