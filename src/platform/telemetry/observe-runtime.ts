// Tells metrics and log what the runtime does: counts in bulk once a batch, a line only where somebody should look.
import type { SagaState } from '../../kernel/saga-decider.ts'
import type { Observer } from '../runtime/observer.ts'
import type { Round } from '../runtime/round.ts'
import type { LogRecord } from '../log/record.ts'
import type { ParkingNote } from '../parking/setting-aside.ts'
import type { LogFields, Logger } from './logger.ts'
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
      for (const [{ service, name }, { count, ms }] of round.handler.handled)
        metrics.handled(service, name, count, ms / 1000)
      countSagas(round, metrics)
      countEffects(round, metrics)
    },
    conflicted() {
      metrics.interrupted(store, 'conflict')
    },
    fault({ group, position, type, record }, error) {
      metrics.interrupted(store, 'fault')
      const fields = record === undefined ? { cause: position } : placeOf(record)
      log.error('A message could not be handled.', { group, ...fields, handler: type, error })
    },
    parked(note) {
      log.error('A message failed again: the messages of its key wait behind it.', fieldsOf(note))
    },
    unparked(note) {
      log.info('Nothing of the key waits any more.', fieldsOf(note))
    },
    dead(note) {
      metrics.died(note.group, 1)
      log.error('A message was given up: it lies among the dead letters.', fieldsOf(note))
    },
    breakerOpened({ group, type }) {
      log.error('A handler failed for many keys: its messages wait until it works again.', { group, handler: type })
    },
    breakerClosed({ group, type }) {
      log.info('A handler works again.', { group, handler: type })
    },
    alarm({ group, channel }, message) {
      const { topic, partition } = channel
      log.error('A consumer group stands still.', { group: group.name, topic, partition, part: message })
    },
    tookOver({ lot, waiting, alone }) {
      log.warn('A process died; what waits where it worked was taken over.', { part: lot, count: waiting })
      if (alone === 0) return
      metrics.interrupted(store, 'death')
      log.error('Processes died there again and again: what waits is handled one by one.', { part: lot, count: alone })
    },
    foundInHand({ hand, group, error }) {
      metrics.interrupted(store, 'death')
      const { kind, at, lot } = hand
      log.error('A message was in hand when its process died.', { group, cause: kind, sequence: at, part: lot, error })
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

/** Where a record lies and what it is about; its body never gets into a log. */
function placeOf({ topic, partition, sequence, key, correlation }: LogRecord) {
  return { topic, partition, sequence, key, correlation }
}

function fieldsOf({ group, key, record, handler, code, attempts }: ParkingNote): LogFields {
  return { group, ...placeOf(record), key, handler, code, attempt: attempts }
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
