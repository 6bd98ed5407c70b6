// Dead letters: each waits for a person, and what waits behind one of them is named with it.
import { readUnhandled } from '../../platform/parking/stored-parking.ts'
import type { CheckContext, Finding } from './problem.ts'
import { Findings } from './problem.ts'

export async function checkDeadLetters(context: CheckContext): Promise<Finding> {
  const findings = new Findings()
  for (const { name } of context.registry.services) {
    for (const { group, key, type, state, code } of await readUnhandled(context.storeOf(name), name)) {
      findings.checked += 1
      if (state !== 'dead') continue
      const message = `Its ${type} could not be handled (${code}): a person has to redrive or discard it.`
      findings.add({ check: 'dead-letter', key: `${group} ${key}`, message, severity: 'person' })
    }
  }
  return findings.finding()
}
