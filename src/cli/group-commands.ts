// The commands by which an operator looks at consumer groups, pauses one, and reads who did what.
import { SERVER_SETTINGS, flagsOf, type Command, type Flag } from './command.ts'

const part: Readonly<Record<string, Flag>> = {
  reason: { value: 'WHY', description: 'Goes into the audit, and is shown to whoever wonders; no personal data.' },
  partition: { value: 'N', description: 'Only this partition number.' },
  topic: { value: 'TOPIC', description: 'Only what it reads of this topic.' },
}

const groups: Command = {
  name: 'groups',
  words: '[GROUP]',
  summary: 'Shows how the consumer groups stand: lag, pauses, what they stopped at, what is parked.',
  description: [
    'Asks the running server. With GROUP it shows each partition that lags or stands still, and why. ' +
      'What a partition stopped at is known to the process that holds it: ask that one. ' +
      'The key needs the role operator.',
  ],
  flags: flagsOf({ partitions: { description: 'Every partition of every group: who holds it, position and lag.' } }),
  settings: SERVER_SETTINGS,
  examples: ['lonja groups', 'lonja groups --partitions --json', 'lonja groups orders.order_list'],
  run: async (call) => (await import('./pause.ts')).groups(call),
}

const pause: Command = {
  name: 'pause',
  words: 'GROUP',
  summary: 'Pauses a consumer group, or one partition of it, in every process.',
  description: [
    'No record, timer or parked key of it goes on until it is resumed, also after a restart; others flow on, and ' +
      'commands are answered. The key needs the role operator.',
  ],
  flags: flagsOf(part),
  settings: SERVER_SETTINGS,
  examples: [
    'lonja pause notifications --reason "the mail server moves"',
    'lonja pause orders --partition 3 --reason "looking at a bad key"',
  ],
  run: async (call) => (await import('./pause.ts')).pause(call, 'pause'),
}

const resume: Command = {
  name: 'resume',
  words: 'GROUP',
  summary: 'Resumes a consumer group: exactly what was paused.',
  description: ['It catches up from where it stood. What is paused stands in `lonja groups GROUP`.'],
  flags: flagsOf(part),
  settings: SERVER_SETTINGS,
  examples: ['lonja resume notifications --reason "the mail server has moved"'],
  run: async (call) => (await import('./pause.ts')).pause(call, 'resume'),
}

const resetOffsets: Command = {
  name: 'offsets reset',
  words: 'GROUP',
  summary: "Sets a consumer group's offsets: forwards over records, or back for a projection.",
  description: [
    'Without --apply it only tells what it would do. Forwards, what is left out is never handled by the group. Back ' +
      'goes a projection alone, by a rebuild from the beginning of its logs: any other group would do things twice.',
    'A sequence belongs to one partition of one source; `lonja groups --partitions` shows them. It is audited. The ' +
      'key needs the role operator.',
  ],
  flags: flagsOf({
    to: { value: 'PLACE', description: 'earliest, a sequence such as 1200, or a time such as 2026-11-21T09:30:00Z.' },
    topic: { value: 'TOPIC', description: 'Only what it reads of this topic.' },
    partition: { value: 'N', description: 'Only this partition number.' },
    source: { value: 'SERVICE', description: 'Only what this service appended.' },
    reason: { value: 'WHY', description: 'Goes into the audit; no personal data.' },
    apply: { description: 'Does it.' },
  }),
  settings: SERVER_SETTINGS,
  examples: [
    'lonja offsets reset notifications --to 2026-11-21T09:30:00Z --reason "no old news"',
    'lonja offsets reset orders --topic payments.events --partition 3 --to 1201 --reason "lost" --apply',
  ],
  run: async (call) => (await import('./offsets.ts')).resetOffsets(call),
}

const audit: Command = {
  name: 'audit',
  words: '',
  summary: 'Lists what people did to the running system: who, when, to what, and why.',
  description: ['The newest entries, in the order of their time. The key needs the role operator.'],
  flags: flagsOf({
    by: { value: 'NAME', description: 'Only deeds of this API key.' },
    action: { value: 'ACTION', description: 'Only deeds such as saga.retry, group.pause, projection.rebuild.' },
    target: { value: 'TARGET', description: 'Only what was done to this.' },
    since: { value: 'TIME', description: 'Only from then on, such as 2026-11-21 or 2026-11-21T09:30:00Z.' },
    limit: { value: 'N', description: 'Lists the newest N (100).' },
    export: { value: 'FILE', description: 'Writes all of them to a new FILE, a JSON object a line.' },
  }),
  settings: SERVER_SETTINGS,
  examples: ['lonja audit', 'lonja audit --by olga --since 2026-11-21', 'lonja audit --export audit.ndjson'],
  run: async (call) => (await import('./audit.ts')).audit(call),
}

export const groupCommands: readonly Command[] = [groups, pause, resume, resetOffsets, audit]
