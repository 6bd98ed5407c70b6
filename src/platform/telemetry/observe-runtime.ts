// Tells metrics and log what the runtime does: counts in bulk once a batch, a line only where somebody should look.
import type { SagaState } from '../../kernel/saga-decider.ts'
import type { Observer } from '../runtime/observer.ts'
import type { Round } from '../runtime/round.ts'
import type { Logger } from './logger.ts'
import type { Metrics, SagaOutcome } from './metrics.ts'

const OUTCOMES: Partial<Record<SagaState['status'], SagaOutcome>> = {
  succeeded: 'succeeded',
  failed: 'failed',
  'given-up': 'failed',
  'needs-person': 'flagged',
  overdue: 'flagged',
}

/** @param store the name of the database in metrics. */
export function observeRuntime(
  store: string,
  { log, metrics }: { readonly log: Logger; readonly metrics: Metrics },
): Observer {
  return {
    committed(round, durationMs) {
      metrics.committed(store, { messages: round.records, records: round.outbox.records, seconds: durationMs / 1000 })
      for (const [{ service, name }, { count, ms }] of round.handled) metrics.handled(service, name, count, ms / 1000)
      countSagas(round, metrics)
      countEffects(round, metrics)
    },
    conflicted() {
      metrics.interrupted(store, 'conflict')
    },
    fault({ group, position, type }, error) {
      metrics.interrupted(store, 'fault')
      log.error('A message could not be handled.', { group, cause: position, handler: type, error })
    },
    alarm({ group, channel }, message) {
      const { topic, partition } = channel
      log.error('A consumer group stands still.', { group: group.name, topic, partition, part: message })
    },
    storeDown(error) {
      metrics.interrupted(store, 'unavailable')
      log.error('The database can not be used; requests get 503 until it is back.', { store, error })
    },
    storeUp() {
      log.info('The database can be used again.', { store })
    },
  }
}

function countSagas(round: Round, metrics: Metrics): void {
  for (const { saga, status } of round.movedSagas()) {
    const outcome = OUTCOMES[status]
    if (outcome !== undefined) metrics.sagasEnded(saga, outcome, 1)
  }
}

function countEffects(round: Round, metrics: Metrics): void {
  for (const { row, answer } of round.taken) {
    metrics.effectsCalled(row.effect, answer.outcome === 'answered' ? 'answered' : 'gave-up', 1)
  }
  for (const { row } of round.attempted.keys()) metrics.effectsCalled(row.effect, 'retried', 1)
}
