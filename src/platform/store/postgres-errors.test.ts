// Proves that an error of the connection is never taken for one of the server, whatever its code looks like.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommitUnknown, Conflict, StoreUnavailable } from '../ports.ts'
import { asStoreError, commitError } from './postgres-errors.ts'

const coded = (code: string, more: object = {}) => Object.assign(new Error('it failed'), { code, ...more })

test('a broken pipe is an outage, and at a commit leaves open what happened', () => {
  const broken = coded('EPIPE', { errno: -32, syscall: 'write' })
  assert.ok(asStoreError(broken) instanceof StoreUnavailable)
  assert.ok(commitError(broken, true) instanceof CommitUnknown)
  assert.ok(commitError(broken, false) instanceof CommitUnknown)
})

test('an error that the server sent keeps its meaning', () => {
  assert.ok(asStoreError(coded('40001', { severity: 'ERROR' })) instanceof Conflict)
  assert.ok(asStoreError(coded('57P01', { severity: 'FATAL' })) instanceof StoreUnavailable)
})
