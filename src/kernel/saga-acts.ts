// What a person may ask of a saga, as commands of the platform: every service that has sagas takes them.
import { z } from 'zod'
import type { Message, MessageInfo } from './message.ts'

/**
 * - retry: what is awaited is sent again, with a fresh limit.
 * - skip: what is awaited counts as done, or as undone.
 * - compensate: everything is undone, from the present step back.
 * - cancel: it ends; what can't be undone is given up.
 */
export const SAGA_ACTS = ['retry', 'skip', 'compensate', 'cancel'] as const
export type SagaAct = (typeof SAGA_ACTS)[number]

const TYPES = {
  retry: 'RetrySagaStep',
  skip: 'SkipSagaStep',
  compensate: 'CompensateSaga',
  cancel: 'CancelSaga',
} as const satisfies Readonly<Record<SagaAct, string>>

/** A reason is kept in the saga's history, which is part of its document. */
export const MAX_REASON_LENGTH = 500

const schema = z.object({
  saga: z.string(),
  key: z.string(),
  /** The key of the saga's own messages: its partition and its story. */
  about: z.string(),
  reason: z.string().max(MAX_REASON_LENGTH),
  /** The step that the person means; whatever is awaited, where he names none. */
  step: z.string().optional(),
  /** He was told which promise it breaks. */
  force: z.boolean().optional(),
})

export type AskedOfSaga = z.output<typeof schema>

/** They go to no topic: a caller's command is handled in the transaction that answers him. */
export const sagaActMessages: readonly MessageInfo[] = SAGA_ACTS.map((act) => ({
  type: TYPES[act],
  kind: 'command',
  service: '*',
  topic: '*.commands',
  key: 'about',
  schema,
}))

export function askOfSaga(act: SagaAct, asked: AskedOfSaga): Message {
  return { type: TYPES[act], data: asked }
}

/** The act that a command asks for; undefined where it is no command to a saga. */
export function sagaActOf({ type }: Pick<Message, 'type'>): SagaAct | undefined {
  return SAGA_ACTS.find((act) => TYPES[act] === type)
}
