// What comes into a batch from outside the log: commands of callers, answers of effects, failed tries of effects.
import type { Reply } from '../../kernel/route.ts'
import type { Answer } from '../../kernel/effect.ts'
import { type MessageInfo, keyOf } from '../../kernel/message.ts'
import type { Submission } from '../application.ts'
import type { EffectRow } from './outbox.ts'
import type { Reaction } from './registry.ts'

/** A caller's command, and how to answer him after the commit. */
export interface CommandInput {
  readonly kind: 'command'
  readonly submission: Submission
  readonly reaction: Reaction
  readonly key: string
  /** The idempotency key's scope: the caller's, or one of ours, so that a batch in doubt can simply run again. */
  readonly scope: string
  /** Ours and never sent before: there is nothing to look up. */
  readonly isFirstTry: boolean
  /** Until when a refusal that may come from a copy that lags is tried again. */
  readonly patientUntil: number
  /** Until when a commit in doubt is run again. */
  readonly doubtUntil: number
  /** It may have been committed already: an outage that follows does not make it undone. */
  readonly isInDoubt?: true
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

/** A refusal that may come from a lagging copy is tried again for this long. */
const PATIENCE_MS = 2000
/** A command whose commit is in doubt is run again for this long. */
const DOUBT_MS = 10_000

/** @param own the scope counts where the submission has none. */
export function commandInput(
  what: { readonly submission: Submission; readonly reaction: Reaction; readonly info: MessageInfo },
  own: { readonly scope: string; readonly now: number } & Pick<CommandInput, 'resolve' | 'reject'>,
): CommandInput {
  const { submission, reaction, info } = what
  const { scope, now, resolve, reject } = own
  const key = keyOf(info, submission.command.data)
  return {
    kind: 'command',
    submission,
    reaction,
    key,
    scope,
    isFirstTry: submission.scope === undefined,
    patientUntil: now + PATIENCE_MS,
    doubtUntil: now + DOUBT_MS,
    resolve,
    reject,
  }
}

/** The outcome of a call to the outside; the row goes in the transaction that takes it. */
export interface AnswerInput {
  readonly kind: 'answer'
  readonly row: EffectRow
  readonly reaction: Reaction
  readonly answer: Answer<unknown>
  /** Called when it was taken, or found taken already. */
  readonly taken: () => void
}

/** A try that failed and will be repeated: only its row changes. */
export interface AttemptInput {
  readonly kind: 'attempt'
  readonly row: EffectRow
  readonly error: string
  readonly due: number
  readonly taken: (row: EffectRow) => void
  /** Called when another process has had the answer meanwhile. */
  readonly answered: () => void
}

export type Input = CommandInput | AnswerInput | AttemptInput

/**
 * What is left of a batch's inputs after somebody else wrote: what concerns a request that has its answer is told so.
 *
 * @param rows the requests that are open, as they are stored now
 */
export function stillOpen(inputs: readonly Input[], rows: readonly EffectRow[]): Input[] {
  const open = new Map(rows.map((row) => [`${row.service} ${row.id}`, row]))
  return inputs.flatMap((input): Input[] => {
    if (input.kind === 'command') return [{ ...input, isFirstTry: false }]
    const row = open.get(`${input.row.service} ${input.row.id}`)
    // Another process may have tried as well: this try counts on top of his, or it would meet his version for ever.
    if (row !== undefined) return [{ ...input, row }]
    if (input.kind === 'answer') input.taken()
    else input.answered()
    return []
  })
}

/** What became of a command inside a batch; told to the caller only after the commit. */
export type CommandOutcome =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'refusal'; readonly error: Error }
  | { readonly kind: 'later' }
  | { readonly kind: 'fault'; readonly error: unknown }
