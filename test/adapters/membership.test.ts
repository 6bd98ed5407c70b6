// Membership over PostgreSQL: partitions move when processes come, go and die, and nobody holds one that another holds.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Client } from 'pg'
import type { Clock, Membership } from '../../src/platform/ports.ts'
import { heartbeat, movesOf, takeLeases } from '../../src/platform/store/postgres-leases.ts'
import type { HeldLease } from '../../src/platform/store/postgres-leases.ts'
import { postgresMembership } from '../../src/platform/store/postgres-membership.ts'
import type { MembershipOptions } from '../../src/platform/store/postgres-membership.ts'
import { systemClock } from '../../src/platform/system.ts'
import { sharedPostgres } from '../../src/testing/postgres.ts'
import { waitFor } from '../../src/testing/wait-for.ts'
import { startProxy } from './store-proxy.ts'

const COUNT = 6
const EVERY = Array.from({ length: COUNT }, (_, partition) => partition)

/** Shorter than in production by ten, so that a death is noticed within a test. */
const SHORT = { leaseMs: 1000, heartbeatMs: 100 }

/** Members of one database, watched: at no moment that the test looks at do two hold one partition. */
class Group {
  readonly url: string
  readonly #members: Membership[] = []

  private constructor(url: string) {
    this.url = url
  }

  static async use(work: (group: Group) => Promise<void>): Promise<void> {
    const group = new Group(await sharedPostgres())
    try {
      await work(group)
    } finally {
      await Promise.all(group.#members.map((member) => member.stop()))
    }
  }

  make(options: Partial<MembershipOptions> = {}): Membership {
    const member = postgresMembership({ url: this.url, partitionCounts: [COUNT], ...options })
    this.#members.push(member)
    member.onChange(() => this.check())
    return member
  }

  check(): void {
    for (const partition of EVERY) {
      const holders = this.#members.filter((member) => member.holds(COUNT, partition)).length
      assert.ok(holders <= 1, `partition ${partition} is held ${holders} times`)
    }
  }

  async until(condition: () => boolean, withinMs: number): Promise<void> {
    const look = (): boolean => {
      this.check()
      return condition()
    }
    await waitFor(look, { withinMs, what: condition.toString() })
  }
}

function held(member: Membership, count = COUNT): number {
  return Array.from({ length: count }, (_, partition) => member.holds(count, partition)).filter(Boolean).length
}

const watched = (name: string, work: (group: Group) => Promise<void>): void => void test(name, () => Group.use(work))

suite('membership: shares', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  const apply = (members: readonly string[], leases: readonly HeldLease[]): HeldLease[] => {
    const moves = members.map((me) => ({ me, ...movesOf({ members, leases }, me) }))
    return leases.map((lease) => {
      const taker = moves.filter(({ take }) => take.includes(lease))
      assert.ok(taker.length <= 1, 'two take the same one')
      if (taker[0] !== undefined) assert.equal(lease.holder, undefined)
      const given = moves.some(({ give }) => give.includes(lease))
      return { ...lease, holder: taker[0]?.me ?? (given ? undefined : lease.holder) }
    })
  }
  const counted = (members: readonly string[], leases: readonly HeldLease[]): number[] =>
    members.map((member) => leases.filter(({ holder }) => holder === member).length)

  test('come out even after one give and one take, whoever joins or leaves, and then nothing moves', () => {
    for (const partitions of [1, 2, 3, 6, 7, 12]) {
      let leases: HeldLease[] = Array.from({ length: partitions }, (_, partition) => ({
        partitions,
        partition,
        holder: undefined,
      }))
      for (const there of ['a', 'ab', 'abc', 'abcdefg', 'cdef', 'df', 'abcdf', 'c', 'bcdefg', 'bg', 'abg', 'aceg']) {
        const members = names.filter((name) => there.includes(name))
        const size = members.length
        const alive = leases.map((lease) => ({ ...lease, holder: members.find((name) => name === lease.holder) }))
        const before = alive
        leases = apply(members, apply(members, alive))
        const shares = counted(members, leases)
        assert.ok(Math.max(...shares) - Math.min(...shares) <= 1, `${partitions} over ${size}: ${shares.join(' ')}`)
        assert.equal(
          shares.reduce((sum, share) => sum + share),
          partitions,
        )
        assert.deepEqual(apply(members, leases), leases)
        const moved = leases.filter(
          ({ holder }, at) => before[at]?.holder !== undefined && before[at].holder !== holder,
        )
        const most = counted(members, before).toSorted((a, b) => b - a)
        const fair = (rank: number): number => Math.floor(partitions / size) + (rank < partitions % size ? 1 : 0)
        const surplus = most.map((share, rank) => Math.max(0, share - fair(rank)))
        assert.equal(
          moved.length,
          surplus.reduce((sum, share) => sum + share),
          'no more move than have to',
        )
      }
    }
  })

  test('count each number of partitions apart', () => {
    const leases = [2, 3].flatMap((partitions) => {
      return Array.from({ length: partitions }, (_, partition) => ({ partitions, partition, holder: 'a' }))
    })
    const { give, take } = movesOf({ members: ['a', 'b'], leases }, 'a')
    assert.deepEqual([give.map(({ partitions }) => partitions), take], [[2, 3], []])
  })
})

suite('membership: who holds what', () => {
  watched('who is alone holds everything when it has started, and nothing once it has stopped', async (group) => {
    const member = group.make({ partitionCounts: [COUNT, 3] })
    assert.equal(held(member), 0)
    await member.start()
    assert.deepEqual([held(member), held(member, 3), held(member, 2)], [COUNT, 3, 0])
    const [listed] = await member.members()
    assert.equal(listed?.partitions.length, COUNT + 3)
    assert.ok(listed.expiresAt > Date.now())
    await member.stop()
    assert.equal(held(member), 0)
  })

  watched(
    'a second and a third get their share within a second, and what leaves is taken within one',
    async (group) => {
      // Nobody's heartbeat comes in time: who joins or leaves says so.
      const rare = { heartbeatMs: 5000 }
      const [first, second, third] = [group.make(rare), group.make(rare), group.make(rare)]
      await first.start()
      const begun = performance.now()
      await second.start()
      await group.until(() => held(first) === 3 && held(second) === 3, 1000)
      await third.start()
      await group.until(() => [first, second, third].every((member) => held(member) === 2), 1000)
      assert.equal((await first.members()).length, 3)
      await second.stop()
      await group.until(() => held(first) === 3 && held(third) === 3, 1000)
      await first.stop()
      await group.until(() => held(third) === COUNT, 1000)
      assert.ok(performance.now() - begun < 4000)
    },
  )

  watched('several that start at once share evenly', async (group) => {
    const members = [group.make(), group.make(), group.make(), group.make()]
    await Promise.all(members.map((member) => member.start()))
    await group.until(() => members.every((member) => held(member) >= 1 && held(member) <= 2), 3000)
    await group.until(() => members.reduce((sum, member) => sum + held(member), 0) === COUNT, 1000)
  })

  watched('more members than partitions: some hold nothing, and start all the same', async (group) => {
    const members = [1, 2, 3].map(() => group.make({ partitionCounts: [2] }))
    for (const member of members) await member.start()
    await waitFor(() => members.reduce((sum, member) => sum + held(member, 2), 0) === 2, { withinMs: 1000 })
  })

  watched('processes of other services do not share', async (group) => {
    const [shop, depot] = [
      group.make({ scope: 'shop' }),
      postgresMembership({ url: group.url, partitionCounts: [COUNT], scope: 'depot' }),
    ]
    try {
      await shop.start()
      await depot.start()
      assert.deepEqual([held(shop), held(depot)], [COUNT, COUNT])
      const second = group.make({ scope: 'shop' })
      await second.start()
      await group.until(() => held(shop) === 3 && held(second) === 3, 1000)
      assert.equal(held(depot), COUNT)
    } finally {
      await depot.stop()
    }
  })

  watched('who stopped leaves no timer behind, even when it stops in the middle of a beat', async (group) => {
    const waiting = new Set<() => void>()
    const after = (delayMs: number, call: () => void): (() => void) => {
      const cancel = systemClock.after(delayMs, () => {
        waiting.delete(cancelOnce)
        call()
      })
      const cancelOnce = (): void => {
        waiting.delete(cancelOnce)
        cancel()
      }
      waiting.add(cancelOnce)
      return cancelOnce
    }
    let beats = 0
    const member = group.make({ heartbeatMs: 20, clock: { ...systemClock, after } })
    member.onAnnounced(() => (beats += 1))
    await member.start()
    const before = beats
    await group.until(() => beats > before, 1000)
    await member.stop()
    assert.equal(waiting.size, 0)
  })

  watched('changes are told after they happened', async (group) => {
    const [first, second] = [group.make(), group.make()]
    const told: number[] = []
    first.onChange(() => told.push(held(first)))
    await first.start()
    await second.start()
    await group.until(() => held(second) === 3, 1000)
    await first.stop()
    assert.deepEqual(told, [COUNT, 3, 0])
  })
})

/** A clock that can stop calling anybody, as in a process that was stopped or hangs. */
function stoppableClock(): Clock & { stopped: boolean } {
  const clock = {
    stopped: false,
    now: () => systemClock.now(),
    after: (delayMs: number, call: () => void) =>
      systemClock.after(delayMs, () => (clock.stopped ? undefined : call())),
  }
  return clock
}

suite('membership: deaths', () => {
  watched('a process that hangs holds nothing once its time is over, although no timer told it so', async (group) => {
    const clock = stoppableClock()
    const [hanging, living] = [group.make({ ...SHORT, clock }), group.make(SHORT)]
    await hanging.start()
    await living.start()
    await group.until(() => held(hanging) === 3 && held(living) === 3, 1000)
    clock.stopped = true
    assert.equal(held(hanging), 3)
    await group.until(() => held(living) === COUNT, 1.5 * SHORT.leaseMs)
    assert.equal(held(hanging), 0)
  })

  watched(
    'a process that is cut off gives up by itself before others get its partitions, and comes back',
    async (group) => {
      const proxy = await startProxy(group.url)
      try {
        const [cutOff, living] = [group.make({ ...SHORT, url: proxy.url }), group.make(SHORT)]
        await cutOff.start()
        await living.start()
        await group.until(() => held(cutOff) === 3 && held(living) === 3, 1000)
        let gaveUp = false
        cutOff.onChange(() => (gaveUp = held(cutOff) === 0))
        proxy.cut('silent')
        await group.until(() => gaveUp, 1.5 * SHORT.leaseMs)
        await group.until(() => held(living) === COUNT, SHORT.leaseMs)
        proxy.cut('never')
        await group.until(() => held(cutOff) === 3 && held(living) === 3, 8000)
      } finally {
        await proxy.close()
      }
    },
  )

  watched('who dies and takes its session along is followed long before its lease ends', async (group) => {
    const proxy = await startProxy(group.url)
    const quick = { heartbeatMs: 50, goneAfterMs: 250 }
    const [dying, living] = [group.make({ ...quick, url: proxy.url }), group.make(quick)]
    await dying.start()
    await living.start()
    await group.until(() => held(dying) === 3 && held(living) === 3, 1000)
    await proxy.close()
    // A tenth of the lease, and at no moment did both hold one.
    await group.until(() => held(living) === COUNT, 1500)
    assert.equal(held(dying), 0)
  })

  watched('who is late and still there keeps its leases', async (group) => {
    const clock = stoppableClock()
    const quick = { leaseMs: 1500, heartbeatMs: 50, goneAfterMs: 200 }
    const [hanging, living] = [group.make({ ...quick, clock }), group.make(quick)]
    await hanging.start()
    await living.start()
    await group.until(() => held(hanging) === 3 && held(living) === 3, 1000)
    clock.stopped = true
    const stoppedAtMs = performance.now()
    await group.until(() => held(living) === COUNT, 2 * quick.leaseMs)
    const keptMs = performance.now() - stoppedAtMs
    assert.ok(keptMs >= quick.leaseMs - 2 * quick.heartbeatMs, `kept for ${keptMs} ms`)
  })

  watched('by a clock that jumps ahead, or by one that nobody sets, a holder stops in time', async (group) => {
    const skew = { wallMs: 0, monotonicMs: 0 }
    const clock = { ...systemClock, now: () => systemClock.now() + skew.wallMs }
    const member = group.make({ clock, monotonicMs: () => performance.now() + skew.monotonicMs })
    await member.start()
    assert.equal(held(member), COUNT)
    skew.wallMs = 10_000
    assert.equal(held(member), 0)
    skew.wallMs = -3_600_000
    assert.equal(held(member), COUNT)
    skew.monotonicMs = 10_000
    assert.equal(held(member), 0)
  })

  watched('a lost session is opened anew without a move', async (group) => {
    const [first, second] = [group.make(SHORT), group.make(SHORT)]
    await first.start()
    await second.start()
    await group.until(() => held(first) === 3 && held(second) === 3, 1000)
    let changes = 0
    first.onChange(() => (changes += 1))
    const client = new Client({ connectionString: group.url })
    await client.connect()
    await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'lonja' AND datname = current_database()`)
    await client.end()
    const heard = new Set<string>()
    second.onAnnounced((sources) => void (sources === 'all' || heard.add(sources.join(' '))))
    const announced = (): boolean => {
      first.announce(['shop'])
      return heard.has('shop')
    }
    await group.until(announced, 1500)
    assert.deepEqual([held(first), held(second), changes], [3, 3, 0])
  })
})

suite('membership: leases', () => {
  watched('a lease that runs is not taken, one that ran out is not renewed, and each taking counts', async (group) => {
    const member = group.make({ heartbeatMs: 60_000 })
    await member.start()
    const [me] = await member.members()
    const client = new Client({ connectionString: group.url })
    await client.connect()
    try {
      const take = (id: string | undefined) => client.query(takeLeases, [id, 'all', 1000, [COUNT, COUNT], [1, 2]])
      assert.equal((await take('a stranger')).rowCount, 0)
      await client.query('UPDATE lonja.leases SET expires_at = 0 WHERE partition = 1')
      const { rows } = await client.query({ text: heartbeat, values: [me?.id, 'all', 1000, 1000], rowMode: 'array' })
      const kinds = Object.groupBy(rows as string[][], ([kind]) => String(kind))
      assert.equal(kinds['renewed']?.length, COUNT - 1)
      assert.equal((await take('a stranger')).rowCount, 1)
      const epochs = await client.query<{ epoch: string }>('SELECT epoch FROM lonja.leases ORDER BY partition')
      assert.deepEqual(
        epochs.rows.map(({ epoch }) => epoch),
        ['1', '2', '1', '1', '1', '1'],
      )
      await client.query(`UPDATE lonja.members SET expires_at = 0`)
      const alone = await client.query({ text: heartbeat, values: ['another', 'all', 1000, 1000], rowMode: 'array' })
      assert.equal((alone.rows as string[][]).filter(([kind]) => kind === 'member').length, 0)
    } finally {
      await client.end()
    }
  })
})

suite('membership: announcements', () => {
  watched('reach the others and not oneself, together as one', async (group) => {
    let sent = 0
    const [first, second] = [group.make({ onSent: (count) => (sent += count) }), group.make()]
    await first.start()
    await second.start()
    await group.until(() => held(first) === 3 && held(second) === 3, 1000)
    const heard: unknown[] = []
    first.onAnnounced((sources) => sources === 'all' || heard.push(['first', sources]))
    second.onAnnounced((sources) => sources === 'all' || heard.push(['second', sources]))
    const before = sent
    for (let time = 0; time < 50; time += 1) first.announce(['shop', time % 2 === 0 ? 'depot' : 'shop'])
    await group.until(() => heard.length > 0, 500)
    assert.deepEqual(heard, [['second', ['shop', 'depot']]])
    // One for the notification, and at most one heartbeat.
    assert.ok(sent - before <= 2)
    first.announce(Array.from({ length: 1000 }, (_, at) => `service ${at}`))
    let everything = 0
    second.onAnnounced((sources) => sources === 'all' && (everything += 1))
    await group.until(() => everything > 0, 900)
  })

  watched('cost nothing where nobody listens, and every beat one statement and one call', async (group) => {
    let sent = 0
    let beats = 0
    const member = group.make({ heartbeatMs: 50, onSent: (count) => (sent += count) })
    await member.start()
    member.onAnnounced(() => (beats += 1))
    const before = sent
    const announcing = (): boolean => {
      member.announce(['shop'])
      return beats >= 8
    }
    await group.until(announcing, 2000)
    assert.ok(sent - before <= beats + 1, `${sent - before} statements in ${beats} beats`)
  })
})
