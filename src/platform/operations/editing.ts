// Edits a dead letter: a new message with a new id takes its place in its key's queue, in one commit with the audit.
import { hash } from 'node:crypto'
import { refuse, Refusal } from '../../kernel/refuse.ts'
import { auditWrites } from '../audit/audit.ts'
import { canonicalJson } from '../http/json-body.ts'
import type { DeadLetter } from '../parking/dead-letter.ts'
import { LetterHindered, planOf, rejoin } from '../parking/dead-letter-office.ts'
import { openDocket } from '../parking/docket.ts'
import type { Clock, Store, Transaction, Write } from '../ports.ts'
import { Conflict } from '../ports.ts'
import type { Registry } from '../runtime/registry.ts'
import { letterEditsTable } from '../store/tables.ts'
import { editedBody, editedRecord } from './edited-body.ts'
import type { LetterEdit } from './letter-edits.ts'
import { editCells, findEdit } from './letter-edits.ts'
import { loadLetters } from './letter-statuses.ts'
import type { FoundLetter, LetterPlace } from './letters.ts'
import type { Asker } from './redrive-draft.ts'

/** The key may be retried, or the letter decided about, at the same moment. */
const MAX_CONFLICTS = 10

export interface EditingOptions {
  readonly registry: Registry
  readonly places: readonly LetterPlace[]
  readonly clock: Clock
  readonly newId: () => string
  /** The letter's queue has changed: who retries has to look. */
  readonly sent: (service: string) => void
}

/** What somebody wants a letter to say. */
export interface EditRequest {
  /** The same id asked again is the same edit. */
  readonly id: string
  readonly body: unknown
  readonly reason: string
  readonly needsApproval: boolean
}

export class Editing {
  readonly #options: EditingOptions

  constructor(options: EditingOptions) {
    this.#options = options
  }

  get stores(): readonly Store[] {
    return [...new Set(this.#options.places.map(({ store }) => store))]
  }

  /**
   * Makes the edit, or proposes it where a second person has to approve.
   *
   * @throws {Refusal} EDIT_ID_TAKEN, DEAD_LETTER_DECIDED, DEAD_LETTER_HINDERED, and as `editedBody`
   */
  async edit(letter: FoundLetter, request: EditRequest, asker: Asker): Promise<LetterEdit> {
    const { id, body, reason, needsApproval } = request
    const asked = hash('sha256', canonicalJson({ letter: letter.id, body, reason }))
    return this.#untilCommitted(async () => {
      const known = await findEdit(this.stores, id)
      refuse(known !== undefined && known.edit.request !== asked, 'EDIT_ID_TAKEN')
      if (known !== undefined) return known.edit
      const { data, fields } = editedBody(this.#options.registry, letter, body)
      const edit: LetterEdit = {
        id,
        version: 1,
        service: letter.service,
        letter: letter.id,
        state: 'proposed',
        request: asked,
        body: JSON.stringify(data),
        fields,
        reason,
        proposedBy: asker.principal,
        proposedAt: this.#options.clock.now(),
        decidedBy: null,
        decidedAt: null,
        decidedReason: null,
        made: null,
      }
      if (!needsApproval) return this.#make(edit, asker, { action: 'dead-letter.edit', reason })
      return this.#save(edit, asker, { action: 'dead-letter.propose-edit', reason })
    })
  }

  /** @throws {Refusal} EDIT_NOT_FOUND, EDIT_OWN, EDIT_DECIDED, DEAD_LETTER_DECIDED, DEAD_LETTER_HINDERED */
  approve(id: string, asker: Asker, reason: string): Promise<LetterEdit> {
    return this.#untilCommitted(async () => {
      const edit = await this.#find(id)
      if (edit.state === 'made') return edit
      refuse(edit.state !== 'proposed', 'EDIT_DECIDED', { state: edit.state })
      refuse(edit.proposedBy === asker.principal, 'EDIT_OWN')
      const version = edit.version + 1
      return this.#make({ ...edit, version }, asker, { action: 'dead-letter.approve-edit', reason })
    })
  }

  /** @throws {Refusal} EDIT_NOT_FOUND, EDIT_DECIDED */
  reject(id: string, asker: Asker, reason: string): Promise<LetterEdit> {
    return this.#untilCommitted(async () => {
      const edit = await this.#find(id)
      if (edit.state === 'rejected') return edit
      refuse(edit.state !== 'proposed', 'EDIT_DECIDED', { state: edit.state })
      const decided = { decidedBy: asker.principal, decidedAt: this.#options.clock.now(), decidedReason: reason }
      const rejected = { ...edit, ...decided, version: edit.version + 1, state: 'rejected' as const, body: null }
      return this.#save(rejected, asker, { action: 'dead-letter.reject-edit', reason })
    })
  }

  async #find(id: string): Promise<LetterEdit> {
    const found = await findEdit(this.stores, id)
    if (found === undefined) throw new Refusal('EDIT_NOT_FOUND', { id })
    return found.edit
  }

  async #untilCommitted(work: () => Promise<LetterEdit>): Promise<LetterEdit> {
    for (let conflicts = 0; ; conflicts += 1) {
      try {
        return await work()
      } catch (error) {
        if (error instanceof LetterHindered) throw new Refusal('DEAD_LETTER_HINDERED', { why: error.hindrance })
        if (!(error instanceof Conflict) || conflicts >= MAX_CONFLICTS) throw error
      }
    }
  }

  async #save(edit: LetterEdit, asker: Asker, deed: Done): Promise<LetterEdit> {
    await this.#commit(edit, async () => this.#told(edit, asker, deed))
    return edit
  }

  /** The letter's place goes to a new message, whose own letter tells what becomes of it. */
  async #make(proposal: LetterEdit, asker: Asker, deed: Done): Promise<LetterEdit> {
    const { registry, clock, newId, sent } = this.#options
    const now = clock.now()
    const made = newId()
    const decided = { decidedBy: asker.principal, decidedAt: now, decidedReason: deed.reason }
    const edit: LetterEdit = { ...proposal, ...decided, state: 'made', body: null, made }
    await this.#commit(edit, async (transaction, store) => {
      const { service, reason } = proposal
      const letter = (await loadLetters(registry, transaction, [proposal])).get(proposal.letter)
      refuse(letter?.status !== 'dead', 'DEAD_LETTER_DECIDED', { status: letter?.status ?? 'gone' })
      if (letter === undefined) return []
      const docket = await openDocket({ store, registry, transaction }, [{ service, letter }])
      const [one] = docket.cases
      if (one === undefined) return []
      const record = editedRecord(letter, JSON.parse(proposal.body ?? 'null'))
      const successor: DeadLetter = {
        ...letter,
        id: made,
        version: 1,
        record,
        status: 'redriving',
        attempts: 0,
        redriveCount: letter.redriveCount + 1,
        reason,
        editedFrom: letter.id,
      }
      rejoin(docket, one, { letter: successor, now })
      docket.changes.letter(service, { ...letter, version: letter.version + 1, status: 'edited', reason })
      docket.changes.letter(service, successor)
      return [...docket.changes.writes(registry), ...this.#told(edit, asker, deed)]
    })
    sent(edit.service)
    return edit
  }

  #told({ id, letter, fields, proposedAt }: LetterEdit, asker: Asker, { action, reason }: Done): Write[] {
    const { clock, newId } = this.#options
    const at = Math.max(proposedAt, clock.now())
    return auditWrites([{ ...asker, id: newId(), at, action, target: letter, reason, details: { edit: id, fields } }])
  }

  async #commit(edit: LetterEdit, writesOf: (transaction: Transaction, store: Store) => Promise<readonly Write[]>) {
    const { registry, places, clock } = this.#options
    const store = places.find(({ service }) => service === edit.service)?.store
    if (store === undefined) throw new Error(`No database keeps ${edit.service}.`)
    const transaction = await store.begin()
    try {
      const row: Write = { table: letterEditsTable, mode: 'versioned', rows: [editCells(edit)] }
      const writes = [row, ...(await writesOf(transaction, store))]
      await transaction.commit(planOf(registry, writes, clock.now()))
    } finally {
      await transaction.release()
    }
  }
}

interface Done {
  readonly action: string
  readonly reason: string
}
