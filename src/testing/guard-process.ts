// Starts a guard, a process that owns a server for tests and ends it with us, and puts orders to it.
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

type GuardProcess = ChildProcessByStdio<Writable, Readable, null>

/** While a request is under way the guard keeps this process alive, and at other times it does not. */
function keepAlive(child: GuardProcess, alive: boolean): void {
  const verb = alive ? 'ref' : 'unref'
  child[verb]()
  for (const stream of [child.stdin, child.stdout] as unknown as Socket[]) stream[verb]()
}

export interface Guard<Order, Answer> {
  /** Orders go one after the other: each answer belongs to the order before it. */
  readonly ask: (order: Order) => Promise<Answer>
  /** Ends the server, and then the guard itself. */
  readonly end: () => Promise<void>
}

export interface GuardPlan {
  /** The guard's program. */
  readonly program: URL
  /** What is said where the guard has ended, and before what it says of a failure. */
  readonly gone: string
  readonly failed: string
}

export function startGuard<Order, Answer extends object>({ program, gone, failed }: GuardPlan): Guard<Order, Answer> {
  // Detached, so that a signal to our whole process group leaves it alive to tidy up.
  const child = spawn(process.execPath, [fileURLToPath(program)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    windowsHide: true,
  })
  child.stdin.on('error', () => {})
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const exited = once(child, 'exit')
  keepAlive(child, false)
  let queue: Promise<unknown> = Promise.resolve()

  async function askNow(order: Order): Promise<Answer> {
    keepAlive(child, true)
    child.stdin.write(`${JSON.stringify(order)}\n`)
    const line = await answers.next()
    keepAlive(child, false)
    if (line.done) throw new Error(gone)
    const answer = JSON.parse(line.value) as Answer | { readonly failed: string }
    if ('failed' in answer) throw new Error(`${failed}: ${answer.failed}`)
    return answer
  }
  function ask(order: Order): Promise<Answer> {
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
