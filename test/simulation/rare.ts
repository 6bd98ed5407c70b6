// The rare branches that histories are there to reach: each is named here, and counted when it happens.

export const RARE_BRANCHES = [
  'crash before a commit',
  'crash after a commit',
  'crash at a read',
  'crash at a call to the outside',
  'all nodes down at once',
  'node stopped in good order',
  'commit lost but happened',
  'commit lost and never happened',
  'command run again by its key',
  'kept answer given again',
  'kept refusal given again',
  'same key sent twice at once',
  'conflict between two nodes',
  'conflict out of the blue',
  'store away',
  'lease taken from a living node',
  'zombie fenced',
  'node paused past its lease',
  'clock went forward',
  'clock went back',
  'gap in the log seen',
  'record poisoned',
  'answer poisoned',
  'record went on after its poison',
  'gateway answer lost',
  'gateway asked what became of it',
  'gateway answered late',
  'gateway called twice at once',
  'effect gave up',
  'mail not taken',
  'timer void',
  'timer waited for unread records',
  'step not answered in time',
  'undo not answered in time',
  'saga undone while a capture was in flight',
  'tombstone left by an undo',
  'do refused by a tombstone',
  'hold expired',
  'commit of stock refused',
  'cancelled while confirming',
  'order needs a person',
  'order given up',
  'return completed',
  'return rejected',
  'split payment declined half way',
  'manual payment received',
  'stock refused',
  'projection rebuilt',
  'rebuild crossed a crash',
  'database set back',
  'new incarnation seen',
  'parked',
  'unparked',
  'breaker opened',
  'message died',
  'redriven',
  'redrive asked for twice',
  'discarded',
  'command replayed by the transport',
  'crash before a call of the relay',
  'crash after a call of the relay',
  'send lost but happened',
  'mark lost but happened',
  'broker died while it ended a transaction',
  'end of a transaction not marked',
  'broker away',
  "predecessor's transaction aborted",
  'transaction ended by its timeout',
  'zombie relay fenced',
  'relay lost its lease',
  'relay began again',
  'record refused by the broker',
  'partition stopped by a refusal',
  'stopped partition shipped again',
  'transaction beyond what one statement reads',
  'record shipped again',
  'tail of a partition lost',
  'gap over Kafka seen',
  'mark set back',
  'topics scaled',
  'scaling refused',
  'group waited for a barrier',
  'batch of an older generation',
] as const

export type RareBranch = (typeof RARE_BRANCHES)[number]

/** How often each branch was reached. */
export class RareCounts {
  readonly #counts = new Map<RareBranch, number>()

  hit(branch: RareBranch, count = 1): void {
    this.#counts.set(branch, (this.#counts.get(branch) ?? 0) + count)
  }

  count(branch: RareBranch): number {
    return this.#counts.get(branch) ?? 0
  }

  add(counts: Readonly<Record<string, number>>): void {
    for (const [branch, count] of Object.entries(counts)) this.hit(branch as RareBranch, count)
  }

  plain(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }

  /** Those that never happened. */
  missed(): readonly RareBranch[] {
    return RARE_BRANCHES.filter((branch) => this.count(branch) === 0)
  }
}

/** Branches that one record shows. */
export const RARE_BY_TYPE: Readonly<Record<string, RareBranch>> = {
  ReservationExpired: 'hold expired',
  StockCommitRefused: 'commit of stock refused',
  OrderFlagged: 'order needs a person',
  OrderFailed: 'order given up',
  ReturnCompleted: 'return completed',
  ReturnRejected: 'return rejected',
  ManualPaymentReceived: 'manual payment received',
  StockRefused: 'stock refused',
}
