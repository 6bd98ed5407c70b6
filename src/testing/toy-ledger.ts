// A desk that posts entries and a ledger that keeps them by account: what a test needs to see order and trouble.
import { z } from 'zod'
import type { FaultTable } from '../kernel/fault.ts'
import { entity } from '../kernel/entity.ts'
import { on } from '../kernel/handler.ts'
import { contract } from '../kernel/message.ts'
import type { ServiceParking } from '../kernel/parking.ts'
import { projection } from '../kernel/projection.ts'
import { service } from '../kernel/service.ts'
import type { Clock, Log, Membership, Random, Store } from '../platform/ports.ts'
import { Lonja } from '../platform/runtime/lonja.ts'
import type { Observer } from '../platform/runtime/observer.ts'
import { silentObserver } from '../platform/runtime/observer.ts'
import { membershipAlone } from '../platform/store/membership-alone.ts'
import { openSqlite } from '../platform/store/sqlite.ts'
import { systemRandom } from '../platform/system.ts'
import { createVirtualClock } from './virtual-clock.ts'

const desk = contract('desk')
const body = { account: z.string(), entry: z.int(), memo: z.string() }
const Post = desk.command('Post', { key: 'account', body })
const Posted = desk.event('Posted', { key: 'account', body })
const Stamped = desk.event('Stamped', { key: 'account', body })

const ledger = contract('ledger')

interface Account {
  readonly entries: readonly number[]
}
const account = entity<Account>('account', { initial: () => ({ entries: [] }) })

/** Throws where a test wants trouble. */
export type Trouble = (account: string, entry: number) => void

interface LedgerOptions {
  readonly trouble?: Trouble
  /** Trouble in the fold of the projection. */
  readonly foldTrouble?: Trouble
  readonly faults?: FaultTable
  readonly parking?: ServiceParking
}

const deskService = service({
  name: 'desk',
  summary: 'posts entries',
  contract: desk,
  codes: {},
  publishes: [Posted, Stamped],
  handlers: [on(Post, { says: [Posted, Stamped], handle: (entry) => [Posted(entry), Stamped(entry)] })],
})

const NO_TROUBLE: Trouble = () => undefined

function ledgerWith({ trouble = NO_TROUBLE, foldTrouble = NO_TROUBLE, faults = {}, parking = {} }: LedgerOptions) {
  const postings = projection('postings', {
    key: ['account'],
    columns: { account: 'text', entries: 'text' },
    folds: (fold) => [
      fold(
        Posted,
        (e) => [e.account],
        (row, e) => {
          foldTrouble(e.account, e.entry)
          return { account: e.account, entries: `${row?.entries ?? ''}${e.entry} ` }
        },
      ),
    ],
  })
  const keep = on(Posted, {
    says: [],
    loads: (e) => [account.at(e.account)],
    handle: (e, held) => {
      trouble(e.account, e.entry)
      held.put(account.at(e.account), { entries: [...held.get(account.at(e.account)).entries, e.entry] })
    },
  })
  return service({
    name: 'ledger',
    summary: 'keeps entries',
    contract: ledger,
    codes: { LOCKED: { status: 409, title: 'It is locked.' } },
    publishes: [],
    entities: [account],
    handlers: [keep],
    projections: [postings],
    faults,
    parking,
  })
}

export interface ToyLedgerOptions extends LedgerOptions {
  readonly store?: Store
  readonly clock?: Clock
  readonly membership?: Membership
  /** The pauses between retries come from it. */
  readonly random?: Random
  readonly observer?: Partial<Observer>
  /** Only this service, on a database of its own; the other's log is read where `logOf` says. */
  readonly only?: 'desk' | 'ledger'
  readonly logOf?: (service: string) => Log | undefined
  /** Off: entries are posted, and nobody handles them. */
  readonly works?: boolean
  /** Whoever watches it comes before it starts. */
  readonly beforeStart?: (lonja: Lonja) => void
}

/** Starts desk and ledger on a database in memory, or on the one given. */
export async function startToyLedger(options: ToyLedgerOptions = {}) {
  const {
    store = openSqlite({ path: ':memory:' }),
    clock = createVirtualClock(),
    membership = membershipAlone(),
  } = options
  const chosen = options.only === undefined ? ['desk', 'ledger'] : [options.only]
  const lonja = new Lonja({
    services: [deskService, ledgerWith(options)],
    chosen,
    databases: [{ store, membership, services: chosen }],
    ...(options.logOf && { logOf: options.logOf }),
    works: options.works ?? true,
    adapters: {},
    clock,
    random: options.random ?? systemRandom,
    observer: { ...silentObserver, ...options.observer },
    strict: true,
  })
  options.beforeStart?.(lonja)
  await lonja.start()
  return {
    lonja,
    store,
    post: (account: string, entry: number, memo = '') =>
      lonja.submit({
        service: 'desk',
        command: Post({ account, entry, memo }),
        reply: () => ({ status: 201, body: {} }),
        principal: 'tester',
        role: 'clerk',
        scope: undefined,
        bodyHash: '',
        traceparent: undefined,
      }),
    /** What the ledger kept, in its order. */
    entries: async (name: string) => (await lonja.reader('ledger').state(account.at(name))).entries,
    /** What the projection folded, in its order. */
    folded: async (name: string) => {
      const sql = 'SELECT entries FROM {postings} WHERE account = ?'
      const [row] = await lonja.reader('ledger').rows<{ readonly entries: string }>(sql, [name])
      return (row?.entries ?? '').split(' ').filter(Boolean).map(Number)
    },
    /** Rows of one of the ledger's own tables. */
    rows: (table: string) =>
      store.query<Readonly<Record<string, string | number>>>(`SELECT * FROM ${store.tableName('ledger', table)}`),
    /** Everything that can happen now has happened; what waits for its time waits. */
    idle: async () => {
      for (let calm = 0; calm < 3; calm += 1) {
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
        if (!lonja.runtimes.every((runtime) => runtime.isIdle())) calm = -1
      }
    },
    stop: async () => {
      await lonja.stop()
      await store.close()
    },
  }
}
