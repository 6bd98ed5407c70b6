// The verdict can fail: whatever breaks a promise turns a story red, and is named.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { DAMAGE_NAMES, type Damage } from './damage.ts'
import { Fleet } from './fleet.ts'
import { chaosSeed } from './kill-9.ts'
import { Load } from './load.ts'
import { reckonMails } from './mail-verdict.ts'
import { tellStory } from './story.ts'
import { reckon, untilAtRest } from './verdict.ts'

const TIME_LIMIT_MS = 60_000

/** Words of the violation that each damage must be found by. */
const FOUND_BY: Readonly<Record<Damage, RegExp>> = {
  lost: /^lost: the order \S+ of \S+ was acknowledged and is not there/,
  doubled: /^doubled: the key \S+ has the order \S+-again, not /,
  tripled: /^the mail \S+ came 3 times, not /,
  renamed: /^".+" was sent under 2 Message-IDs/,
  check: /order_list/,
}

test('a story with damages ends red and names each of them', { timeout: TIME_LIMIT_MS }, async () => {
  const plan = { dialect: 'sqlite', seed: chaosSeed(), cycles: 1, faults: ['kill'] } as const
  const { violations, leftBehind } = await tellStory({ ...plan, damages: DAMAGE_NAMES })
  rmSync(leftBehind, { recursive: true })
  for (const damage of DAMAGE_NAMES) {
    const found = violations.filter((violation) => FOUND_BY[damage].test(violation))
    assert.equal(found.length, 1, `${damage}: ${violations.join('\n')}`)
  }
})

test('the verdict sees an order that is lost, one that nobody was told of, and one that was refused', async () => {
  const load = new Load({ seed: 1, buyers: 4 })
  const fleet = await Fleet.open({ dialect: 'sqlite', processes: 1, load })
  try {
    await fleet.start()
    await load.prepare()
    load.begin()
    await load.more(20)
    await load.finish()
    await untilAtRest(fleet.store, 15_000)
    const { acknowledged, refused, sent } = load
    const whatIsWrong = async (told: Parameters<typeof reckon>[1]) =>
      (await reckon(fleet.store, told)).losses.map(({ what, key }) => [what, key])
    assert.deepEqual(await whatIsWrong(load), [])
    const [[key = '', known] = []] = acknowledged
    assert.ok(known !== undefined)
    const elsewhere = new Map([...acknowledged, [key, { ...known, orderId: 'another' }]])
    assert.deepEqual(await whatIsWrong({ acknowledged: elsewhere, refused, sent }), [
      ['doubled', key],
      ['lost', key],
    ])
    assert.deepEqual(await whatIsWrong({ acknowledged, refused: new Set([key]), sent }), [['refused and there', key]])
    assert.deepEqual(await whatIsWrong({ acknowledged, refused, sent: new Set([...sent, 'x']) }), [['lost', 'x']])
    const confirmed = [...acknowledged].find(([, { cancelled }]) => !cancelled)
    assert.ok(confirmed !== undefined)
    const cancelled = new Map([
      ...acknowledged,
      [confirmed[0], { ...confirmed[1], cancelled: true, returns: ['none'] }],
    ])
    assert.ok((await whatIsWrong({ acknowledged: cancelled, refused, sent })).length > 0)
  } finally {
    await fleet.close()
  }
})

test('the verdict on mails: a third copy needs two dead processes, and a second Message-ID has no excuse', async () => {
  const load = new Load({ seed: 1, buyers: 1 })
  const fleet = await Fleet.open({ dialect: 'sqlite', processes: 1, load })
  try {
    await fleet.start()
    const mail = { messageId: '<a@b>', to: 'ana@example.com', subject: 'Your order 1 is confirmed', atMs: 10 }
    const copies = [mail, { ...mail, atMs: 30 }]
    const problemsOf = async (...given: readonly [readonly (typeof mail)[], Parameters<typeof reckonMails>[2]]) =>
      (await reckonMails(fleet.store, ...given)).problems.length
    const thrice = [...copies, { ...mail, atMs: 35 }]
    assert.equal(await problemsOf(copies, []), 0)
    assert.equal(await problemsOf(thrice, []), 1)
    assert.equal(await problemsOf(thrice, [{ fromMs: 20, toMs: 25, ends: 2 }]), 0)
    assert.equal(await problemsOf(thrice, [{ fromMs: 40, toMs: 50, ends: 2 }]), 1)
    // One at a time is no excuse: between two faults it has arrived.
    const [early, late] = [
      { fromMs: 20, toMs: 25, ends: 1 },
      { fromMs: 26, toMs: 28, ends: 1 },
    ]
    assert.equal(await problemsOf(thrice, [early, late]), 1)
    assert.equal(await problemsOf([mail, { ...mail, messageId: '<c@b>' }], []), 1)
  } finally {
    await fleet.close()
  }
})
