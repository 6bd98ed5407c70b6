// Fixed seeds, every seed that ever failed, and that a seed is one history and no other.
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { runOnCores } from './cores.ts'
import type { Database } from './database.ts'
import { FaultPlan } from './faults.ts'
import type { Outcome } from './outcome.ts'
import { runHistory } from './run-history.ts'
import { killOf } from './mutant-table.ts'
import { MUTANTS } from './mutants.ts'
import { readOptions } from './options.ts'
import { SeededRandom } from './random.ts'
import { REGRESSIONS } from './regressions.ts'
import { configOf } from './seeds.ts'
import { shrink } from './shrink.ts'
import { openWorker } from './worker.ts'

/** In two processes, one a core: 1,500 took 360 s of CPU in all where eight others were busy. */
const SEEDS = 1500
const CORES = 2
/** These mutants die in the first few histories; the others take longer, and are run by `--mutants`. */
const QUICK: ReadonlySet<string> = new Set([
  'cursor advanced in its own transaction',
  'save without version',
  'idempotency row after the work',
  'snapshot ahead of its stream',
  'timer fired without its version',
  'nothing to undo while the do is in flight',
  'no incarnation',
  'effect key minted per try',
  'mark before send',
  'no transaction of Kafka',
  'LIMIT per partition',
  'timer fired by what has arrived',
])

suite('simulation', () => {
  let database: Database
  before(async () => {
    database = await openWorker()
  })
  after(() => database.close())

  test(`the first ${SEEDS} seeds keep every promise`, async () => {
    const { histories, failures } = await runOnCores({ cores: CORES, from: 1, histories: SEEDS, seconds: Infinity })
    assert.deepEqual({ histories, failures }, { histories: SEEDS, failures: [] })
  })

  test('every seed that ever failed holds', async () => {
    for (const { seed, cause, kafka = false } of REGRESSIONS) {
      const { failure } = await runHistory(database, configOf(seed, { kafka }))
      assert.equal(failure, undefined, `seed ${seed} (${cause}): ${failure?.check}: ${failure?.message}`)
    }
  })

  test('a seed is the same history twice, whatever ran in between', async () => {
    const seeds = [2, 7, 23, 42]
    const run = async (seed: number) => {
      const outcome = await runHistory(database, configOf(seed), { traces: true })
      return { ...summaryOf(outcome), trace: outcome.trace, database: await database.hash() }
    }
    const first = []
    for (const seed of seeds) first.push(await run(seed))
    for (const [index, seed] of seeds.toReversed().entries()) {
      assert.deepEqual(await run(seed), first[seeds.length - 1 - index], `seed ${seed}`)
    }
  })

  test('a seed over Kafka is the same history twice, whatever ran in between', async () => {
    const run = async (seed: number) => {
      const outcome = await runHistory(database, configOf(seed, { kafka: true }), { traces: true })
      return { ...summaryOf(outcome), trace: outcome.trace }
    }
    const first = [await run(3), await run(8)]
    assert.deepEqual([await run(8), await run(3)], first.toReversed())
  })

  test('a seed is the same history where every commit and read goes to SQLite at once', async () => {
    for (let seed = 1; seed <= 40; seed += 3) {
      const run = async (isDirect: boolean) => {
        const outcome = await runHistory(database, configOf(seed), { isDirect })
        return { ...summaryOf(outcome), database: await database.hash() }
      }
      assert.deepEqual(await run(true), await run(false), `seed ${seed}`)
    }
  })

  for (const { name } of MUTANTS.filter((mutant) => QUICK.has(mutant.name))) {
    test(`the mutant is caught: ${name}`, async () => {
      const mutant = MUTANTS.find((each) => each.name === name)
      assert.ok(mutant !== undefined)
      const { check } = await killOf(database, mutant, { from: 1, limitMs: 60_000 })
      assert.ok(check !== undefined, `${name} lives`)
    })
  }

  test('a failure is shrunk to fewer faults and commands that still fail', async () => {
    const mutant = MUTANTS.find(({ name }) => name === 'effect key minted per try')
    assert.ok(mutant !== undefined)
    const { seeds, check } = await killOf(database, mutant, { from: 1, limitMs: 60_000 })
    assert.ok(check !== undefined)
    const failed = await runHistory(database, configOf(seeds), { mutant })
    const small = await shrink(database, failed, { mutant })
    assert.equal(small.failure?.check, failed.failure?.check)
    assert.ok(small.config.commands.length < failed.config.commands.length)
    const again = await runHistory(database, small.config, { mutant })
    assert.deepEqual(summaryOf(again), summaryOf(small))
  })
})

function summaryOf({ failure, traceHash, steps, calls, commits }: Outcome) {
  return { failure, traceHash, steps, calls, commits }
}

suite('the parts of a simulation', () => {
  test('a stream of random numbers depends on its seed and name alone', () => {
    const draw = (seed: number, name: string) => {
      const random = new SeededRandom(seed, name)
      return Array.from({ length: 5 }, () => random.below(1_000_000))
    }
    assert.deepEqual(draw(1, 'faults'), draw(1, 'faults'))
    assert.notDeepEqual(draw(1, 'faults'), draw(2, 'faults'))
    assert.notDeepEqual(draw(1, 'faults'), draw(1, 'schedule'))
  })

  test('a fault waits for a call that it can happen at, once', () => {
    const plan = new FaultPlan([{ id: 0, kind: 'commit lost after', fromCall: 2, forMs: 0, salt: 0 }])
    const kinds = (['commit', 'load', 'query', 'commit', 'commit'] as const).map((kind) => plan.at(kind)?.kind)
    assert.deepEqual(kinds, [undefined, undefined, undefined, 'commit lost after', undefined])
  })

  test('options are read, and odd ones refused', () => {
    const { seed, without } = readOptions(['--seed', '7', '--without', '1,3'])
    assert.deepEqual([seed, without], [7, [1, 3]])
    assert.equal(readOptions(['--histories', '5']).seconds, Number.POSITIVE_INFINITY)
    assert.throws(() => readOptions(['--seed', 'x']), /--seed is a whole number/)
    assert.throws(() => readOptions(['--nonsense']))
  })
})
