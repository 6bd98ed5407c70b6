// Proves each rule of tidiness on bad samples, which it must report, and on good ones, which it must leave alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeFindings, type Rule } from './finding.ts'
import { importRule } from './import-rule.ts'
import { purityRule, settingsRule } from './purity.ts'
import { honestTestRule, nameRule, noPlansRule, openingRule, sizeRule } from './shape.ts'
import { toSource } from './source.ts'

/** A path and a text: the text alone decides whether it is one line or many. */
type Sample = readonly [path: string, text: string]

function reports(rule: Rule, samples: readonly Sample[]): void {
  for (const [path, text] of samples) {
    const findings = rule(toSource(path, text))
    assert.ok(findings.length > 0, `nothing was reported for ${path}: ${text.slice(0, 200)}`)
  }
}

function accepts(rule: Rule, samples: readonly Sample[]): void {
  for (const [path, text] of samples) {
    const findings = rule(toSource(path, text))
    assert.ok(findings.length === 0, `${path}: ${text.slice(0, 200)}\n${describeFindings(findings)}`)
  }
}

const from = (specifier: string): string => `import { a } from '${specifier}'`
const lines = (count: number): string => 'const a = 1\n'.repeat(count)

test('kernel imports nothing but kernel and the schema library', () => {
  reports(importRule, [
    ['src/kernel/saga.ts', from('../platform/ports.ts')],
    ['src/kernel/saga.ts', from('../services/orders/contract.ts')],
    ['src/kernel/saga.ts', from('../testing/clock.ts')],
    ['src/kernel/saga.ts', `import type { A } from '../platform/ports.ts'`],
    ['src/kernel/saga.ts', from('pg')],
    ['src/kernel/saga.ts', from('node:fs')],
    ['src/kernel/saga.ts', `const a = await import('fastify')`],
  ])
  accepts(importRule, [
    ['src/kernel/saga.ts', from('./message.ts')],
    ['src/kernel/saga.ts', from('zod')],
    ['src/kernel/saga.test.ts', from('../testing/given.ts')],
  ])
})

test('platform never imports a service', () => {
  reports(importRule, [
    ['src/platform/http/server.ts', from('../../services/orders/contract.ts')],
    ['src/platform/http/server.ts', from('../../services.ts')],
    ['src/platform/http/server.ts', from('../../cli/print.ts')],
    ['src/platform/http/server.ts', `export { a } from '../../main.ts'`],
  ])
  accepts(importRule, [
    ['src/platform/http/server.ts', from('../ports.ts')],
    ['src/platform/http/server.ts', from('../../kernel/route.ts')],
    ['src/platform/store/postgres.ts', from('pg')],
    ['src/platform/http/server.ts', from('../../../package.json')],
  ])
})

test('a service imports its own folder, kernel and contracts of others', () => {
  reports(importRule, [
    ['src/services/orders/order.ts', from('../inventory/stock.ts')],
    ['src/services/orders/order.ts', from('../../platform/ports.ts')],
    ['src/services/orders/order.ts', from('../../testing/given.ts')],
    ['src/services/orders/order.ts', from('pg')],
    ['src/services/orders/order.ts', from('node:timers')],
    ['src/services/payments/stripe.effect.ts', from('node:https')],
    ['src/services/payments/adapters/stripe.ts', from('../../orders/order.ts')],
    ['src/services/payments/adapters/stripe.ts', from('../../../platform/store/sqlite.ts')],
  ])
  accepts(importRule, [
    ['src/services/orders/order.ts', from('./contract.ts')],
    ['src/services/orders/order.ts', from('../inventory/contract.ts')],
    ['src/services/orders/order.ts', from('../../kernel/aggregate.ts')],
    ['src/services/orders/order.ts', from('./adapters/gateway.ts')],
    ['src/services/notifications/adapters/smtp.ts', from('nodemailer')],
    ['src/services/notifications/adapters/smtp.ts', from('../mail.ts')],
    ['src/services/notifications/adapters/smtp.ts', from('../../../platform/ports.ts')],
  ])
})

test('the list of services, the commands and unknown areas keep to their places', () => {
  reports(importRule, [
    ['src/services.ts', from('./services/orders/order.ts')],
    ['src/cli/orders.ts', from('pg')],
    ['src/cli/orders.ts', from('../testing/clock.ts')],
    ['src/cli/orders.ts', from('../../test/flows/shop.ts')],
    ['src/helpers/text.ts', lines(1)],
    ['src/services/lonely.ts', lines(1)],
    ['src/platform/files.ts', from('fs')],
  ])
  accepts(importRule, [
    ['src/services.ts', from('./services/orders/service.ts')],
    ['src/main.ts', from('./platform/http/server.ts')],
    ['src/main.ts', from('./services.ts')],
    ['src/cli/orders.ts', from('node:fs')],
    ['src/testing/shop.ts', from('../services/orders/order.ts')],
    ['test/flows/shop.test.ts', from('../../src/platform/store/sqlite.ts')],
  ])
})

test('pure code knows no clock, no dice, no timers and no outside world', () => {
  const impure = [
    'Date.now()',
    'Date\n  .now()',
    'new Date()',
    'new Date',
    'Date()',
    'Math.random()',
    'performance.now()',
  ]
  const outside = ['setTimeout(f, 1)', 'setInterval(f, 1)', 'process.env', 'crypto.randomUUID()', 'await fetch(url)']
  const samples = [...impure, ...outside, '`${Date.now()}`', 'console.log(1)', 'f(Date.now)']
  reports(
    purityRule,
    samples.flatMap((text): readonly Sample[] => [
      ['src/kernel/saga.ts', `const a = ${text}\n`],
      ['src/services/orders/order.ts', `const a = ${text}\n`],
    ]),
  )
})

test('time that is handed in is pure, and so is all that is named or described only', () => {
  const pure = [
    'new Date(now)',
    "'Date.now()'",
    'order.placedDate(1)',
    'toDate(1)',
    'gateway.fetch(1)',
    'a // Math.random()',
  ]
  accepts(purityRule, [
    ...pure.map((text): Sample => ['src/kernel/saga.ts', `const a = ${text}\n`]),
    ['src/services/payments/adapters/stripe.ts', 'const a = Date.now()'],
    ['src/platform/clock.ts', 'const a = Date.now()'],
    ['src/kernel/saga.test.ts', 'const a = Date.now()'],
  ])
})

test('settings are read in main.ts, the commands and settings.ts only', () => {
  reports(settingsRule, [
    ['src/platform/http/server.ts', 'const a = process.env.PORT'],
    ['src/platform/http/server.ts', "const a = process.env['PORT']"],
    ['src/services/payments/adapters/stripe.ts', 'const a = process.argv[2]'],
    ['src/platform/http/server.ts', 'const { env } = process'],
  ])
  accepts(settingsRule, [
    ['src/main.ts', 'const a = process.argv'],
    ['src/cli/settings.ts', 'const a = process.env'],
    ['src/platform/settings.ts', 'const a = process.env'],
    ['src/platform/http/server.ts', 'const a = process.pid'],
    ['test/flows/shop.test.ts', 'const a = process.env'],
  ])
})

test('files and lines over or under their sizes are reported', () => {
  reports(sizeRule, [
    ['src/kernel/saga.ts', lines(401)],
    ['src/kernel/saga.test.ts', lines(601)],
    ['src/kernel/saga.ts', lines(14)],
    ['src/kernel/saga.ts', `${lines(20)}${'a'.repeat(121)}\n`],
  ])
  accepts(sizeRule, [
    ['src/kernel/saga.ts', lines(400)],
    ['src/kernel/saga.test.ts', lines(600)],
    ['src/kernel/saga.ts', lines(15)],
    ['src/services/orders/service.ts', lines(5)],
    ['src/kernel/saga.ts', `${lines(20)}${'a'.repeat(120)}\n`],
    ['src/kernel/saga.ts', `${lines(20)}// https://example.org/${'a'.repeat(120)}\n`],
  ])
})

test('names that are not in kebab-case, unknown suffixes and barrels are reported', () => {
  const bad = ['src/kernel/Saga.ts', 'src/kernel/sagaStep.ts', 'src/kernel/saga_step.ts', 'src/Kernel/saga.ts']
  const worse = ['src/kernel/index.ts', 'src/kernel/saga.helper.ts', 'src/kernel/-saga.ts']
  reports(
    nameRule,
    [...bad, ...worse].map((path): Sample => [path, lines(1)]),
  )
  const good = [
    'src/kernel/saga.ts',
    'src/services/orders/checkout.saga.ts',
    'src/kernel/saga-step.test.ts',
    'scripts/run.mjs',
  ]
  accepts(
    nameRule,
    good.map((path): Sample => [path, lines(1)]),
  )
})

test('a file that does not open with a sentence is reported', () => {
  reports(openingRule, [
    ['src/kernel/saga.ts', "import { a } from 'zod'\n// A sentence that comes too late.\n"],
    ['src/kernel/saga.ts', '// saga\nconst a = 1\n'],
    ['src/kernel/saga.ts', '// A sentence without an end\nconst a = 1\n'],
    ['src/kernel/saga.ts', '// a sentence that begins small.\nconst a = 1\n'],
    ['src/kernel/saga.ts', '\n// A sentence after an empty line.\n'],
    ['src/main.ts', '#!/usr/bin/env node\nconst a = 1\n'],
  ])
  accepts(openingRule, [
    ['src/kernel/saga.ts', '// Steps that are undone, newest first.\nconst a = 1\n'],
    ['src/kernel/saga.ts', '// Steps that are undone,\n// newest first.\nconst a = 1\n'],
    ['src/kernel/saga.ts', '/** Steps that are undone, newest first. */\nconst a = 1\n'],
    ['src/main.ts', '#!/usr/bin/env node\n// Starts what is asked for.\n'],
  ])
})

test('tests that are skipped, singled out or asleep are reported', () => {
  const skipped = [
    "test.only('a', f)",
    "test.skip('a', f)",
    "suite.todo('a')",
    "test('a', { skip: true }, f)",
    't.skip()',
  ]
  const asleep = ['await new Promise((done) => setTimeout(done, 5))', 'await sleep(5)', from('node:timers/promises')]
  reports(
    honestTestRule,
    [...skipped, ...asleep].map((text): Sample => ['src/kernel/saga.test.ts', text]),
  )
  reports(honestTestRule, [
    ['test/flows/shop.ts', 'setTimeout(f, 5)'],
    ['test/chaos/kill.test.ts', 'setTimeout(f, 5)'],
    ['test/chaos/kill.ts', "test.only('a', f)"],
  ])
  accepts(honestTestRule, [
    ['src/kernel/saga.test.ts', "test('a test.only in a name', { timeout: 5 }, f)"],
    ['src/kernel/saga.test.ts', "clock.setTimeout(5)\nconst a = { only: 'b' }"],
    ['src/platform/clock.ts', 'setTimeout(f, 5)'],
    ['test/chaos/kill.ts', 'setTimeout(f, 5)'],
  ])
})

test('work put off in a comment is reported', () => {
  reports(noPlansRule, [
    ['src/kernel/saga.ts', 'const a = 1 // TODO: more'],
    ['src/kernel/saga.ts', '/* FIXME */'],
  ])
  accepts(noPlansRule, [
    ['src/kernel/saga.ts', "const a = 'TODO'"],
    ['src/kernel/saga.ts', '// The Spanish word for all is todo.'],
  ])
})

test('a finding says where, which rule and what to do', () => {
  const findings = noPlansRule(toSource('src/kernel/saga.ts', '\n\nconst a = 1 // TODO: more'))
  assert.match(describeFindings(findings), /^1 finding\(s\)\nsrc\/kernel\/saga\.ts:3 \[no-plans\] do it now/)
})
