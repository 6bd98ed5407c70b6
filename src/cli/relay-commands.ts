// The commands about the relay to Kafka: how it stands, and sending again what Kafka has lost.
import { SERVER_SETTINGS, flagsOf, type Command } from './command.ts'

const show: Command = {
  name: 'relay',
  words: '',
  summary: 'Shows the relays to Kafka: who ships, how far each partition is, what waits.',
  description: ['Asks the running server. The key needs the role operator.'],
  flags: flagsOf({}),
  settings: SERVER_SETTINGS,
  examples: ['lonja relay', 'lonja relay --json'],
  run: async (call) => (await import('./relay.ts')).showRelays(call),
}

const resend: Command = {
  name: 'relay resend',
  words: '',
  summary: 'Sends again, from a sequence on, what Kafka has lost.',
  description: [
    'The relay begins anew from there and ships on, so that readers find what they lacked behind what they have; ' +
      'what they know already they drop. --dry-run tells how many records that would be, and does nothing.',
    'The relay names the command for each partition of which Kafka has lost something, in /health and the log. Below ' +
      'what the log still keeps it is refused. The key needs the role operator.',
  ],
  flags: flagsOf({
    topic: { value: 'TOPIC', description: 'The topic.' },
    all: { description: 'All topics, as after the loss of all brokers.' },
    partition: { value: 'N', description: 'Only this partition number.' },
    source: { value: 'SERVICE', description: 'Only what this service appended, where several append to the topic.' },
    from: { value: 'SEQ', description: 'The sequence from which on; "first" for the lowest that the log keeps.' },
    reason: { value: 'WHY', description: 'Goes into the audit; no personal data.' },
    'dry-run': { description: 'Only tells what would be sent again.' },
  }),
  settings: SERVER_SETTINGS,
  examples: [
    'lonja relay resend --topic orders.events --partition 3 --from 1200 --dry-run --reason "disk lost"',
    'lonja relay resend --all --from first --reason "new cluster"',
  ],
  run: async (call) => (await import('./relay.ts')).resend(call),
}

export const relayCommands: readonly Command[] = [show, resend]
