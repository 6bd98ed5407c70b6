// The commands by which an operator looks at sagas and steps in.
import { SERVER_SETTINGS, flagsOf, type Command, type Flag } from './command.ts'

const reason: Flag = { value: 'WHY', description: 'Goes into the audit and into the story; no personal data.' }
const step: Flag = {
  value: 'STEP',
  description: 'The step that you mean; refused where the saga waits for another one.',
}
const EXAMPLE = 'checkout 019a0000-0000-7000-8000-000000000001'
const AUDITED = 'It is one command through the log, audited with your key and reason. The key needs the role operator.'

const sagas: Command = {
  name: 'sagas',
  words: '',
  summary: 'Lists the sagas that are under way, and those that need a person.',
  description: [
    'Asks the running server. A saga that needs a person rests until he acts or a late answer comes; ' +
      '`lonja saga NAME KEY` tells what can be done. The key needs the role operator.',
  ],
  flags: flagsOf({
    'needs-person': { description: 'Only those for which a person was called.' },
    saga: { value: 'NAME', description: 'Only sagas of this kind, such as checkout.' },
    status: {
      value: 'STATUS',
      description: 'Only of this status; open (the default), all, running, undoing and so on.',
    },
    'older-than': { value: 'MINUTES', description: 'Only those that began so long ago.' },
    limit: { value: 'N', description: 'Lists at most N (100).' },
    counts: { description: 'Counts them by kind and status instead.' },
  }),
  settings: SERVER_SETTINGS,
  examples: ['lonja sagas', 'lonja sagas --needs-person', 'lonja sagas --counts'],
  run: async (call) => (await import('./sagas.ts')).listSagas(call),
}

const saga: Command = {
  name: 'saga',
  words: 'NAME KEY',
  summary: 'Looks into a saga: its history, what it waits for, what can be done with it.',
  description: ['NAME is the kind, such as checkout, and KEY what it is about, such as the id of the order.'],
  flags: flagsOf({}),
  settings: SERVER_SETTINGS,
  examples: [`lonja saga ${EXAMPLE}`],
  run: async (call) => (await import('./sagas.ts')).showSaga(call),
}

const retry: Command = {
  name: 'saga retry',
  words: 'NAME KEY',
  summary: 'Sends what a saga waits for once more, with a fresh limit.',
  description: [`Whoever did it already answers again and does it no second time. ${AUDITED}`],
  flags: flagsOf({ reason, step }),
  settings: SERVER_SETTINGS,
  examples: [`lonja saga retry ${EXAMPLE} --reason "the carrier is back"`],
  run: async (call) => (await import('./sagas.ts')).actOnSaga(call, 'retry'),
}

const skip: Command = {
  name: 'saga skip',
  words: 'NAME KEY',
  summary: 'Goes on as if what a saga waits for were done, or undone.',
  description: [
    'Most steps are a promise: skipping the payment confirms an order that nobody is known to have paid. Then it is ' +
      'refused with the promise that it would break, until you repeat it with --force. ' +
      '`lonja check` tells later what a person skipped.',
    AUDITED,
  ],
  flags: flagsOf({ reason, step, force: { description: 'Skips although the promise breaks that you were told.' } }),
  settings: SERVER_SETTINGS,
  examples: [`lonja saga skip ${EXAMPLE} --step ship --reason "collected by the client" --force`],
  run: async (call) => (await import('./sagas.ts')).actOnSaga(call, 'skip'),
}

const compensate: Command = {
  name: 'saga compensate',
  words: 'NAME KEY',
  summary: 'Undoes everything that a saga did, from the present step back.',
  description: [`It ends as if it had been stopped: cancelled when everything is undone. ${AUDITED}`],
  flags: flagsOf({ reason }),
  settings: SERVER_SETTINGS,
  examples: [`lonja saga compensate ${EXAMPLE} --reason "the carrier will not come back"`],
  run: async (call) => (await import('./sagas.ts')).actOnSaga(call, 'compensate'),
}

const cancel: Command = {
  name: 'saga cancel',
  words: 'NAME KEY',
  summary: 'Ends a saga: undoes everything, and gives up what can not be undone.',
  description: [
    'While it runs this is the same as compensate. One that needs a person ends as given up (an order as FAILED): ' +
      `what is flagged stays as it is. ${AUDITED}`,
  ],
  flags: flagsOf({ reason }),
  settings: SERVER_SETTINGS,
  examples: [`lonja saga cancel ${EXAMPLE} --reason "refunded by hand"`],
  run: async (call) => (await import('./sagas.ts')).actOnSaga(call, 'cancel'),
}

export const sagaCommands: readonly Command[] = [sagas, saga, retry, skip, compensate, cancel]
