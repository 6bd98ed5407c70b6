// The commands about dead letters and parked keys: each with its help, loaded when it is called.
import { SERVER_SETTINGS as server, flagsOf, type Command, type Flag } from './command.ts'
import { editCommands } from './edit-commands.ts'

const ID = '019a0000-0000-7000-8000-000000000001'
const readers = ['store', 'url', 'key'] as const
const reason: Flag = { value: 'TEXT', description: 'Why; it goes into the audit, so no personal data.' }
const filters = {
  group: { value: 'GROUP', description: 'Only those of one consumer group, such as payments.' },
  topic: { value: 'TOPIC', description: 'Only those of one topic.' },
  type: { value: 'TYPE', description: 'Only messages of one type.' },
  code: { value: 'CODE', description: 'Only those that failed with this code, such as TypeError.' },
  of: { value: 'KEY', description: 'Only those of one key, such as the id of an order.' },
} as const satisfies Readonly<Record<string, Flag>>
const READS = 'The database is read beside the running server; with --url the server is asked instead.'
const WRITES = 'The running server does it; the key needs the role operator.'

const deadLetters: Command = {
  name: 'dead-letters',
  words: '',
  summary: 'Lists the causes of dead letters, or the letters themselves.',
  description: [
    'Letters of one handler and code are one cause, the most frequent first. With --list each letter has a line, ' +
      'without its body. Only those that wait for a decision are told unless --status says otherwise.',
    READS,
  ],
  flags: flagsOf({
    list: { description: 'Lists the letters instead of their causes.' },
    ...filters,
    status: { value: 'STATUS', description: 'dead, redriving, redriven, discarded, edited or all (dead).' },
    limit: { value: 'N', description: 'Letters of the list (50).' },
  }),
  settings: readers,
  examples: ['lonja dead-letters', 'lonja dead-letters --list --group payments'],
  run: async (call) => (await import('./dead-letters.ts')).deadLetters(call),
}

const deadLetter: Command = {
  name: 'dead-letter',
  words: 'ID',
  summary: 'Shows a dead letter: the record as it was, what it failed with, who waits behind it.',
  description: ['The body is shown, and it may hold personal data.', READS],
  flags: flagsOf({}),
  settings: readers,
  examples: [`lonja dead-letter ${ID}`],
  run: async (call) => (await import('./dead-letters.ts')).deadLetter(call),
}

const parked: Command = {
  name: 'parked',
  words: '',
  summary: 'Lists the keys whose messages wait: tried again, or held by a dead letter.',
  description: ['Each key with its state, its next try, its messages, and what the first one failed with.', READS],
  flags: flagsOf({
    group: filters.group,
    code: filters.code,
    of: filters.of,
    state: { value: 'STATE', description: 'retrying or held.' },
    limit: { value: 'N', description: 'Keys of the list (50).' },
  }),
  settings: readers,
  examples: ['lonja parked', 'lonja parked --group orders --state held'],
  run: async (call) => (await import('./dead-letters.ts')).parked(call),
}

const redrive: Command = {
  name: 'redrive',
  words: '[ID...]',
  summary: 'Sends dead letters again, each key in its order, and shows the progress.',
  description: [
    'The letters are those with these ids, of one --cause, that --group, --topic, --type, --code and --of leave, ' +
      'or --all. They are written down when the job is asked for: what dies later is not among them. ' +
      '--dry-run tells how many there are and does nothing.',
    'The job stops before more letters than --stop-after can die again. It runs in the server: Ctrl-C ends the ' +
      'watching and not the job.',
    WRITES,
  ],
  flags: flagsOf({
    cause: { value: 'CAUSE', description: 'The id of a cause, as `lonja dead-letters` shows it.' },
    ...filters,
    all: { description: 'Every dead letter.' },
    'dry-run': { description: 'Only tells what would be done.' },
    rate: { value: 'N', description: 'Letters a second; as fast as they are handled where not said.' },
    'stop-after': { value: 'N', description: 'Letters that may die again before it stops (10).' },
    'max-redrives': { value: 'N', description: 'Letters that were redriven this often are left out (3).' },
    reason,
  }),
  settings: server,
  examples: [
    'lonja redrive --cause 4f0c1b2a9d3e --dry-run --reason "the gateway is back"',
    'lonja redrive --group notifications --rate 20 --reason "the mail server is back"',
  ],
  run: async (call) => (await import('./redrive.ts')).redrive(call),
}

const discard: Command = {
  name: 'discard',
  words: 'ID',
  summary: 'Gives a dead letter up for a reason; the messages behind it go on.',
  description: ['What it asked for never happens. The letter stays readable until it is archived.', WRITES],
  flags: flagsOf({ reason }),
  settings: server,
  examples: [`lonja discard ${ID} --reason "a test order"`],
  run: async (call) => (await import('./redrive.ts')).discard(call),
}

const redriveJobs: Command = {
  name: 'redrives',
  words: '[JOB]',
  summary: 'Lists the jobs that redrive or discard dead letters, or looks into one.',
  description: ['With JOB it names the letters that died again or were left out, each with the reason.', WRITES],
  flags: flagsOf({ limit: { value: 'N', description: 'Jobs of the list, the youngest first (50).' } }),
  settings: server,
  examples: ['lonja redrives', `lonja redrives ${ID}`],
  run: async (call) => (await import('./redrive-jobs.ts')).redrives(call),
}

const stopJob: Command = {
  name: 'redrive stop',
  words: 'JOB',
  summary: 'Stops a job: nothing more is sent, what is on its way goes on.',
  description: ['Ctrl-C at `lonja redrive` ends the watching alone; this ends the job.', WRITES],
  flags: flagsOf({ reason }),
  settings: server,
  examples: [`lonja redrive stop ${ID} --reason "the gateway is away again"`],
  run: async (call) => (await import('./redrive-jobs.ts')).changeRedrive(call, 'stop'),
}

const resumeJob: Command = {
  name: 'redrive resume',
  words: 'JOB',
  summary: 'Resumes a job that was stopped, and shows the progress.',
  description: ['It goes on where it stopped; what died again before counts no more towards --stop-after.', WRITES],
  flags: flagsOf({ reason }),
  settings: server,
  examples: [`lonja redrive resume ${ID} --reason "the gateway is back"`],
  run: async (call) => (await import('./redrive-jobs.ts')).changeRedrive(call, 'resume'),
}

export const deadLetterCommands: readonly Command[] = [
  deadLetters,
  deadLetter,
  parked,
  redrive,
  redriveJobs,
  stopJob,
  resumeJob,
  discard,
  ...editCommands,
]
