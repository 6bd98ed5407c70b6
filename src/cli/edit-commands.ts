// The commands that give a dead letter another body, and that decide about such an edit.
import { SERVER_SETTINGS as server, flagsOf, type Command, type Flag } from './command.ts'

const reason: Flag = { value: 'WHY', description: 'Goes into the audit, so no personal data.' }
const EDIT = '019a0000-0000-7000-8000-000000000002'
const WRITES = 'The running server does it; the key needs the role operator.'

const edit: Command = {
  name: 'edit',
  words: 'ID',
  summary: 'Sends a dead letter again with another body: a new message takes its place.',
  description: [
    'The body is checked against the contract of the message, and its key can not be changed. --fields takes the ' +
      'body as it is but for the fields that it names; --body is the whole one. ' +
      'The audit names the fields, never their values.',
    'With --edits-need-approval the server takes it as a proposal, and a second person decides.',
    WRITES,
  ],
  flags: flagsOf({
    fields: { value: 'JSON', description: 'The fields that differ, with their values, as a JSON object.' },
    body: {
      value: 'FILE',
      description: 'A file with the whole new body as JSON; `lonja dead-letter ID` shows the old.',
    },
    reason,
  }),
  settings: server,
  examples: [
    `lonja edit 019a0000-0000-7000-8000-000000000001 --fields '{"reference":"A-7"}' --reason "a typing error"`,
    'lonja edit 019a0000-0000-7000-8000-000000000001 --body mended.json --reason "the till sent nonsense"',
  ],
  run: async (call) => (await import('./edit.ts')).edit(call),
}

const edits: Command = {
  name: 'edits',
  words: '[EDIT]',
  summary: 'Lists the edits of dead letters that wait for an approval, or looks into one.',
  description: [
    'With EDIT the new body is shown as long as it waits, and it may hold personal data. ' +
      'The key needs the role operator.',
  ],
  flags: flagsOf({
    state: { value: 'STATE', description: 'proposed, made, rejected or all (proposed).' },
    letter: { value: 'ID', description: 'Only those of one dead letter.' },
    limit: { value: 'N', description: 'Edits of the list, the youngest first (50).' },
  }),
  settings: server,
  examples: ['lonja edits', 'lonja edits --state all', `lonja edits ${EDIT}`],
  run: async (call) => (await import('./edit.ts')).edits(call),
}

const approve: Command = {
  name: 'edit approve',
  words: 'EDIT',
  summary: 'Approves of an edit that another person proposed: it is made at once.',
  description: ['Look at it first: `lonja edits EDIT`. Nobody approves of an edit of his own.', WRITES],
  flags: flagsOf({ reason }),
  settings: server,
  examples: [`lonja edit approve ${EDIT} --reason "compared with the till's receipt"`],
  run: async (call) => (await import('./edit.ts')).decideEdit(call, 'approve'),
}

const reject: Command = {
  name: 'edit reject',
  words: 'EDIT',
  summary: 'Rejects an edit, also one of your own: the dead letter stays as it is.',
  description: [WRITES],
  flags: flagsOf({ reason }),
  settings: server,
  examples: [`lonja edit reject ${EDIT} --reason "the amount is right as it was"`],
  run: async (call) => (await import('./edit.ts')).decideEdit(call, 'reject'),
}

export const editCommands: readonly Command[] = [edit, edits, approve, reject]
