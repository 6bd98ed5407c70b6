// Statements with one safeguard taken away, in schedules that the shipped ones survive: each must be caught.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Session, Stage } from './schedule-stage.ts'
import { stage, started } from './schedule-stage.ts'
import { cursors, log } from './store-fixture.ts'

/** How a transaction takes its numbers and moves its cursor. */
interface Statements {
  readonly append: (session: Session, ...partitions: readonly number[]) => Promise<unknown>
  readonly move: (session: Session) => Promise<unknown>
}

const shipped: Statements = {
  append: (session, ...partitions) => session.append(...partitions.toSorted((one, other) => one - other)),
  move: (session) => session.save(cursors, ['g', 0, 2, 5]),
}

/** A plain sequence numbers the rows: nobody waits, and a number is seen before the one below it. */
const headNotLocked: Statements = {
  ...shipped,
  append: (session) =>
    session.run(
      `INSERT INTO shop.log SELECT 'shop.events', 0, 1, 1, n, n, 1, 1, '[]' FROM nextval('shop.numbers') AS n`,
    ),
}

/** The cursor is written whatever stands there. */
const cursorNotLocked: Statements = {
  ...shipped,
  move: (session) =>
    session.run(`INSERT INTO shop.cursors VALUES ('g', 0, 2, 5)
      ON CONFLICT (consumer_group, partition) DO UPDATE SET version = excluded.version, next = excluded.next`),
}

/** Heads are taken in the order in which the batch names them. */
const headsUnsorted: Statements = { ...shipped, append: (session, ...partitions) => session.append(...partitions) }

/** Two append to one partition: what is committed must have no hole below it, at any moment. */
async function numbering({ store, a, b, c }: Stage, { append }: Statements): Promise<string> {
  await c.run('ROLLBACK')
  await c.run('CREATE SEQUENCE IF NOT EXISTS shop.numbers MINVALUE 0')
  await append(a, 0)
  const second = started(append(b, 0))
  const waits = started(b.waits())
  if ((await Promise.race([second.then(() => 'goes on'), waits.then(() => 'waits')])) === 'goes on') {
    await b.run('COMMIT')
    const [lowest] = await log(store, 0)
    if (lowest !== undefined && lowest.first > 0) return `${lowest.first} is there, and nothing below it`
  }
  await a.run('COMMIT')
  await second
  await b.run('COMMIT')
  const firsts = (await log(store, 0)).map(({ first }) => first)
  return firsts.join() === '0,1' ? 'sound' : `the log is ${firsts.join()}`
}

/** Two owners of a cursor pass the same records: one of them must not commit. */
async function fencing({ a, b, c }: Stage, { move }: Statements): Promise<string> {
  await c.save(cursors, ['g', 0, 1, 0])
  await c.run('COMMIT')
  await move(a)
  const second = started(move(b))
  await b.waits()
  await a.run('COMMIT')
  await second.catch(() => undefined)
  const isCommitted = (await b.run('COMMIT')) === 'COMMIT'
  return isCommitted ? 'both owners committed' : 'sound'
}

/** Two batches that name the same heads in opposite orders. */
async function ordering({ a, b, c }: Stage, { append }: Statements): Promise<string> {
  const giveBack = async (session: Session, ...partitions: readonly number[]): Promise<void> => {
    try {
      await append(session, ...partitions)
    } finally {
      await session.run('ROLLBACK')
    }
  }
  await append(c, 1)
  const first = started(giveBack(a, 0, 1, 2))
  await a.waits()
  const second = started(giveBack(b, 2, 1, 0))
  await b.waits()
  await c.run('ROLLBACK')
  const failed = (await Promise.allSettled([first, second])).find(({ status }) => status === 'rejected')
  return failed === undefined ? 'sound' : String((failed as PromiseRejectedResult).reason)
}

suite('mutants of the schedules', () => {
  for (const { name, mutant, play, caught } of [
    {
      name: 'head row not locked',
      mutant: headNotLocked,
      play: numbering,
      caught: /^1 is there, and nothing below it/,
    },
    { name: 'cursor not locked', mutant: cursorNotLocked, play: fencing, caught: /^both owners committed/ },
    { name: 'heads unsorted', mutant: headsUnsorted, play: ordering, caught: /deadlock detected/ },
  ]) {
    test(
      `${name}: the shipped statements survive the schedule`,
      stage(async (on) => assert.equal(await play(on, shipped), 'sound')),
    )
    test(
      `${name}: the mutant is caught`,
      stage(async (on) => assert.match(await play(on, mutant), caught)),
    )
  }
})
