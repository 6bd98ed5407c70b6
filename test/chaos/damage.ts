// Breaks a promise on purpose, after the shop has stopped and before it is judged: the verdict has to turn red.
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { postgresName } from '../../src/platform/store/postgres-statements.ts'
import { sqliteName } from '../../src/platform/store/sqlite-statements.ts'
import type { Fleet } from './fleet.ts'

/** A statement's tables are written as {table}, all of them of the service orders. */
const STATEMENTS = {
  lost: 'DELETE FROM {order} WHERE key = (SELECT min(key) FROM {order})',
  doubled: `INSERT INTO {order} (key, version, state, constant)
    SELECT key || '-again', version, state, constant FROM {order} ORDER BY key LIMIT 1`,
  check: `UPDATE {order_list} SET units = units + 1 WHERE order_id = (SELECT min(order_id) FROM {order_list})`,
} as const

export const DAMAGES = {
  lost: 'an order that was acknowledged is not there',
  doubled: 'an order is there twice',
  tripled: 'a mail comes three times',
  renamed: 'a mail comes again under another Message-ID',
  check: 'a list says something else than the log',
} as const

export type Damage = keyof typeof DAMAGES
export const DAMAGE_NAMES = Object.keys(DAMAGES) as readonly Damage[]

export async function damage(fleet: Fleet, name: Damage): Promise<void> {
  if (name === 'tripled') repeatMail(fleet, 2)
  else if (name === 'renamed') repeatMail(fleet, 1, '<another@lonja.example>')
  else await change(fleet, STATEMENTS[name])
}

async function change(fleet: Fleet, statement: string): Promise<void> {
  const nameOf = fleet.server === undefined ? sqliteName : postgresName
  const text = statement.replaceAll(/\{(\w+)\}/g, (_, table: string) => nameOf('orders', table))
  if (fleet.server !== undefined) {
    await fleet.sql(text)
    return
  }
  const database = new DatabaseSync(fleet.path)
  try {
    assert.equal(database.prepare(text).run().changes, 1, text)
  } finally {
    database.close()
  }
}

/** The newest mail comes again, so that no fault of long ago explains it. */
function repeatMail({ mails }: Fleet, times: number, messageId?: string): void {
  const mail = mails.arrived.at(-1)
  assert.ok(mail !== undefined, 'a mail has come')
  for (let time = 0; time < times; time += 1) mails.take({ ...mail, ...(messageId !== undefined && { messageId }) })
}
