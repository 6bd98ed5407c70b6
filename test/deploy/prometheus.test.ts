// Proves the alert rules by promtool, which plays each of them, and Alertmanager's configuration by amtool.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ask, prometheusFolder } from './checkers.ts'

const projectFolder = join(import.meta.dirname, '..', '..')
const deploy = join(projectFolder, 'deploy')
const rulesFile = join(deploy, 'prometheus', 'alerts.yml')
const playFile = join(deploy, 'prometheus', 'alerts-test.yml')
const rules = readFileSync(rulesFile, 'utf8')
const play = readFileSync(playFile, 'utf8')

const allMatches = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(([, name = '']) => name)
const alerts = allMatches(rules, /- alert: (\w+)/g)

test('promtool finds the rules and the configuration well made', async () => {
  const folder = await prometheusFolder()
  if (folder === undefined) return
  const configuration = join(deploy, 'prometheus', 'prometheus.yml')
  for (const args of [
    ['check', 'rules', rulesFile],
    ['check', 'config', '--syntax-only', configuration],
  ]) {
    const { code, text } = await ask(join(folder, 'promtool'), args)
    assert.equal(code, 0, text)
  }
})

test('each alert comes when it should and stays away when it should', { timeout: 120_000 }, async () => {
  assert.deepEqual(new Set(allMatches(play, /alertname: (\w+)/g)), new Set(alerts))
  const folder = await prometheusFolder()
  if (folder === undefined) return
  const { code, text } = await ask(join(folder, 'promtool'), ['test', 'rules', playFile])
  assert.equal(code, 0, text)
})

test('the play fails when a rule is wrong', { timeout: 120_000 }, async () => {
  const folder = await prometheusFolder()
  if (folder === undefined) return
  const copy = mkdtempSync(join(tmpdir(), 'lonja-alerts-'))
  try {
    writeFileSync(join(copy, 'alerts.yml'), rules.replace('> 1000', '> 1500'))
    writeFileSync(join(copy, 'alerts-test.yml'), play)
    const { code, text } = await ask(join(folder, 'promtool'), ['test', 'rules', join(copy, 'alerts-test.yml')])
    assert.equal(code, 1)
    assert.match(text, /alertname: LonjaGroupBehind, time: 6m/)
  } finally {
    rmSync(copy, { recursive: true })
  }
})

test('amtool finds the routes and receivers of Alertmanager well made, and no secret in them', async () => {
  const file = join(deploy, 'alertmanager', 'alertmanager.yml')
  assert.doesNotMatch(readFileSync(file, 'utf8'), /^\s*(?:- )?(?:routing_key|service_key|api_url):/m)
  const folder = await prometheusFolder()
  if (folder === undefined) return
  const { code, text } = await ask(join(folder, 'amtool'), ['check-config', file])
  assert.equal(code, 0, text)
  assert.match(text, /2 receivers/)
})

test('the rules name only metrics that the program has, and guides that exist', () => {
  const telemetry = join(projectFolder, 'src', 'platform', 'telemetry')
  const source = readdirSync(telemetry).map((name) => readFileSync(join(telemetry, name), 'utf8'))
  const known = new Set(allMatches(source.join('\n'), /'(lonja_[a-z_]+)'/g))
  const named = allMatches(rules, /\b(lonja_[a-z_]+)/g).map((name) => name.replace(/_(?:bucket|count|sum)$/, ''))
  assert.ok(named.length > 5)
  assert.deepEqual(
    named.filter((name) => !known.has(name)),
    [],
  )
  const guides = allMatches(rules, /runbook: (\S+)/g)
  assert.equal(guides.length, alerts.length)
  assert.deepEqual(
    guides.filter((path) => !existsSync(join(projectFolder, path))),
    [],
  )
})
