// The purity rule: kernel and services get time, chance and the outside world handed in, and settings are read once.
import { areaOf } from './import-rule.ts'
import { findForbidden, type Forbidden, type Rule } from './finding.ts'
import { isTest } from './source.ts'

const clock = "take the time from the handler's { now }: a replay and the simulator must see the same moment"
const dice = 'take an id or a seed from the message or the runtime: a replay must see the same value'
const timers = 'declare a timer or a time limit in the saga: timers are rows, and they survive a crash'

const impure: readonly Forbidden[] = [
  { pattern: /\bDate\s*\.\s*now\b/g, advice: clock },
  { pattern: /\bnew\s+Date\s*(?:\(\s*\)|(?![\w\s(]))/g, advice: clock },
  { pattern: /(?<!\bnew\s+)(?<![.\w])Date\s*\(/g, advice: clock },
  { pattern: /\bperformance\s*\.\s*\w+|\bprocess\s*\.\s*hrtime\b/g, advice: clock },
  { pattern: /\bMath\s*\.\s*random\b/g, advice: dice },
  { pattern: /\b(?:randomUUID|randomBytes|randomInt|getRandomValues)\b/g, advice: dice },
  { pattern: /\b(?:setTimeout|setInterval|setImmediate)\b/g, advice: timers },
  { pattern: /(?<![.\w])fetch\s*\(/g, advice: 'call the outside from an effect, in the adapters of the service' },
  { pattern: /(?<![.\w])console\s*\./g, advice: 'return an event or throw: pure code does not print' },
  { pattern: /\bprocess\s*\.\s*(?:env|argv|exit|cwd)\b/g, advice: 'take settings as a parameter from main.ts' },
]

const settings: readonly Forbidden[] = [
  {
    pattern: /\bprocess\s*(?:\.|\?\.)\s*(?:env|argv)\b|\{[^}]*\b(?:env|argv)\b[^}]*\}\s*=\s*process\b/g,
    advice: 'only main.ts, src/cli and src/platform/settings.ts read argv and the environment: take a parameter',
  },
]
const settingsReaders = /^src\/(?:main\.ts$|cli\/|testing\/|platform\/settings\.ts$)/

export const purityRule: Rule = ({ path, code }) => {
  const { name } = areaOf(path)
  if (isTest(path) || (name !== 'kernel' && name !== 'service')) return []
  return findForbidden('purity', path, code, impure)
}

export const settingsRule: Rule = ({ path, code }) => {
  if (isTest(path) || areaOf(path).name === 'outside' || settingsReaders.test(path)) return []
  return findForbidden('settings', path, code, settings)
}
