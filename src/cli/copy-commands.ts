// The command that moves a shop from one database to another, with its help.
import { flagsOf, type Command } from './command.ts'

export const copyCommands: readonly Command[] = [
  {
    name: 'copy',
    words: '',
    summary: 'Moves an embedded installation to PostgreSQL, and seals the file.',
    description: [
      'Stop the server first. Everything goes along: orders, stock, logs under their ids and numbers, cursors, ' +
        'timers, requests that are under way, parked messages, dead letters, kept answers, the audit. Each row is ' +
        'read back and compared; then the file is sealed, so that no server starts on it again, and the shop lives ' +
        'in PostgreSQL.',
      'The database must be one that no Lonja has used yet; all services of the file go into it. Where services have ' +
        'files of their own (STORE_URL_<SERVICE>), copy each file into a database of its own.',
      'Whatever ends the copy before its last step leaves the shop in the file, and the same command copies from ' +
        'the start. Without --to the setting STORE_URL names the database: a password on a command line can be read ' +
        'by others.',
    ],
    flags: flagsOf({
      from: { value: 'sqlite:PATH', description: 'The file of the embedded installation.' },
      to: { value: 'URL', description: 'postgres://user:password@host:5432/database.' },
    }),
    settings: ['store'],
    examples: [
      'lonja copy --from sqlite:var/lonja.sqlite --to postgres://lonja@db.example/lonja',
      'STORE_URL=postgres://lonja:choose-one@db.example/lonja lonja copy --from sqlite:var/lonja.sqlite',
    ],
    run: async (call) => (await import('./copy.ts')).copy(call),
  },
]
