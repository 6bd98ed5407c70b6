// Rare branches that show in what is left behind: the turns of sagas, the states of holds and payments.
import type { SagaState } from '../../src/kernel/saga-decider.ts'
import type { History } from './history.ts'
import type { RareBranch } from './rare.ts'

interface Document {
  readonly state: string
}

/** Counts what sagas and payments say about the way that they took. */
export async function countRareAtRest({ storeOf, rare }: Pick<History, 'storeOf' | 'rare'>): Promise<void> {
  const read = (table: string) => storeOf(table.split('_', 1)[0] ?? '').query<Document>(`SELECT state FROM ${table}`)
  for (const { state } of await read('orders_checkout')) {
    for (const branch of branchesOf(JSON.parse(state) as SagaState)) rare.hit(branch)
  }
  for (const { state } of await read('payments_payment')) {
    if (state.includes('"status":"withdrawn"')) rare.hit('tombstone left by an undo')
    const isHalf = state.includes('"status":"refunded"') && state.includes('"status":"declined"')
    if (isHalf) rare.hit('split payment declined half way')
    if (state.includes('"status":"unknown"')) rare.hit('effect gave up')
  }
}

function branchesOf({ history }: SagaState): RareBranch[] {
  const whats = history.map(({ what }) => what)
  const late = whats.filter((what) => what.endsWith('not answered in time'))
  const found: RareBranch[] = []
  if (late.some((what) => !what.startsWith('undo'))) found.push('step not answered in time')
  if (late.some((what) => what.startsWith('undo'))) found.push('undo not answered in time')
  const shipped = whats.indexOf('ship done')
  if (shipped !== -1 && whats[shipped + 1] === 'CancellationRequested') found.push('cancelled while confirming')
  return found
}
