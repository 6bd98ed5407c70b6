// All commands of the command line: each with its help, and what runs it, which is loaded only when it is called.
import { SERVER_SETTINGS as server, flagsOf, type Command } from './command.ts'
import { copyCommands } from './copy-commands.ts'
import { deadLetterCommands } from './dead-letter-commands.ts'
import { groupCommands } from './group-commands.ts'
import { relayCommands } from './relay-commands.ts'
import { topicCommands } from './topic-commands.ts'
import { sagaCommands } from './saga-commands.ts'

const stores = ['store'] as const
const serve: Command = {
  name: 'serve',
  words: '',
  summary: 'Runs the services until Ctrl-C.',
  description: [
    'Opens the database (a SQLite file unless told otherwise), takes up the work where the last run ' +
      'ended, and answers HTTP. Every five minutes it prints what happened in them.',
    'A PostgreSQL that is not there yet is waited for. Several processes on one PostgreSQL share the ' +
      'work; a SQLite file has one server at a time.',
  ],
  flags: {},
  settings: [
    'host',
    'port',
    'store',
    'brokers',
    'services',
    'roles',
    'apiKeys',
    'apiKeysFile',
    'corsOrigins',
    'logLevel',
    'logFormat',
    'stopLimitMs',
    'windowReport',
    'smtpUrl',
    'mailFrom',
    'manualPaymentLimitMs',
    'editsNeedApproval',
  ],
  examples: ['lonja serve', 'lonja serve --port 9000 --store postgres://lonja@localhost/lonja'],
  run: async (call) => (await import('./serve.ts')).serve(call),
}

const demo: Command = {
  name: 'demo',
  words: '',
  summary: "Plays a real shop's orders through the HTTP API, reports, and goes on serving.",
  description: [
    'Starts everything on 127.0.0.1 with a database of its own (var/demo, emptied at the start), ' +
      'registers the clients and products of the sample, and plays its orders and returns in the order in ' +
      'which they happened. One payment in fifty is declined, some lose their answer, and there is stock ' +
      'for 97 % of what is asked.',
  ],
  flags: flagsOf({
    orders: { value: 'N', description: 'Plays the first N orders only.' },
    file: { value: 'PATH', description: 'Another file of the same format (CSV, gzipped or not).' },
    callers: { value: 'N', description: 'Orders under way at once (128).' },
    exit: { description: 'Ends after the report instead of going on serving.' },
    kafka: { description: 'Starts Apache Kafka and PostgreSQL and plays over both (needs Java 17 and Maven).' },
    keep: { description: 'Keeps the database of the last run; orders that it has are not placed again.' },
    force: { description: 'Plays into a --store that is not empty.' },
  }),
  settings: ['port', 'store', 'paymentDeclineOneIn', 'paymentLoseAnswerOneIn', 'mailFailureRate', 'logLevel'],
  examples: [
    'lonja demo',
    'lonja demo --orders 500 --exit --json',
    'lonja demo --kafka --orders 500 --exit',
    'lonja demo --store postgres://lonja@localhost/demo',
  ],
  run: async (call) => (await import('./demo/demo.ts')).demo(call),
}

const importOrders: Command = {
  name: 'import orders',
  words: 'FILE',
  summary: 'Brings orders from a file into the running server.',
  description: [
    'Reads the CSV format of the sample (data/README.md), or one JSON body of POST /v1/orders a line, ' +
      'each with its reference; both may be gzipped. Rows that are broken are counted by reason, and the ' +
      'rest goes on. Orders whose reference exists are counted and not placed again, so an import can be ' +
      'repeated at any time.',
    'A CSV file also brings its clients, and those of its products that the catalog lacks, with stock for ' +
      'what the file orders. Its returns are counted and left out.',
    'The key needs the role importer, so that prices are taken as quoted. Without keys this machine may do everything.',
  ],
  flags: flagsOf({
    limit: { value: 'N', description: 'Reads the first N orders only.' },
    callers: { value: 'N', description: 'Requests under way at once (32).' },
    'opening-stock': { value: 'SHARE', description: "Stock of new products as a share of the file's demand (1)." },
  }),
  settings: server,
  examples: [
    'lonja import orders orders.ndjson.gz',
    'lonja import orders data/online-retail-2010-12-to-2011-08.csv.gz',
  ],
  run: async (call) => (await import('./import/import-orders.ts')).importOrders(call),
}

const order: Command = {
  name: 'order',
  words: 'ID',
  summary: "Tells an order's story: every command, event, call and timer, with causes.",
  description: [
    'ID is the id of the order or its reference. The database is read beside the running server; with ' +
      '--url the server is asked instead.',
  ],
  flags: flagsOf({}),
  settings: [...stores, 'url', 'key'],
  examples: ['lonja order 536365', 'lonja order 019a0000-0000-7000-8000-000000000001 --url https://shop.example'],
  run: async (call) => (await import('./order.ts')).order(call),
}

const describe: Command = {
  name: 'describe',
  words: '',
  summary: 'Shows services, topics, consumer groups with their lag, handlers and effects.',
  description: [
    'What runs comes from the program, how far it is from the database, beside a running server or without. ' +
      'Where a server of this database answers, it also tells how groups stand.',
  ],
  flags: flagsOf({}),
  settings: [...stores, ...server],
  examples: ['lonja describe', 'lonja describe --json'],
  run: async (call) => (await import('./describe.ts')).describe(call),
}

const settings: Command = {
  name: 'settings',
  words: '',
  summary: 'Lists every setting with its value and where it comes from.',
  description: ['Flags win over the environment, the environment over the file .env, and that over the default.'],
  flags: flagsOf({}),
  settings: [],
  examples: ['lonja settings', 'lonja settings --port 9000'],
  run: async (call) => (await import('./settings.ts')).settings(call),
}

const rebuild: Command = {
  name: 'rebuild',
  words: 'PROJECTION',
  summary: 'Rebuilds a projection from the log, beside the live one, and swaps them.',
  description: [
    'Asks the running server to fold the log into a new table, to compare it with the live one, and to ' +
      'swap them; reads never fail meanwhile. PROJECTION is service.projection, such as orders.order_list. ' +
      'The key needs the role operator.',
  ],
  flags: flagsOf({ abort: { description: 'Ends a rebuild that is under way; the live table stays.' } }),
  settings: server,
  examples: ['lonja rebuild orders.order_list'],
  run: async (call) => (await import('./rebuild.ts')).rebuild(call),
}

const check: Command = {
  name: 'check',
  words: '',
  summary: 'Reconciles the whole database and lists what does not add up.',
  description: [
    'Reads in chunks below fixed bounds, beside the running server, and writes nothing: stock ledgers and holds, ' +
      'orders against their sagas and payments, streams against documents, logs without a gap, cursors below their ' +
      'heads, and each projection against its replay. The exit code is 1 when anything is off.',
  ],
  flags: flagsOf({ quick: { description: 'Leaves out the replay of the projections.' } }),
  settings: stores,
  examples: ['lonja check', 'lonja check --quick --json'],
  run: async (call) => (await import('./check/check.ts')).check(call),
}

const backup: Command = {
  name: 'backup',
  words: 'FILE',
  summary: 'Copies the SQLite database beside the running server.',
  description: ['The copy is of one moment, is checked, and gets its name only then. An existing FILE is left alone.'],
  flags: flagsOf({}),
  settings: ['store'],
  examples: ['lonja backup backups/monday.sqlite'],
  run: async (call) => (await import('./backup.ts')).backup(call),
}

const restore: Command = {
  name: 'restore',
  words: 'FILE',
  summary: 'Makes a backup the database again; no server may be running.',
  description: ['The logs go on under the next incarnation, so that nobody outside takes new records for duplicates.'],
  flags: flagsOf({ force: { description: 'Replaces a database that exists.' } }),
  settings: ['store'],
  examples: ['lonja restore backups/monday.sqlite --force'],
  run: async (call) => (await import('./backup.ts')).restore(call),
}

export const commands: readonly Command[] = [
  serve,
  demo,
  importOrders,
  order,
  describe,
  ...topicCommands,
  settings,
  ...deadLetterCommands,
  rebuild,
  ...sagaCommands,
  ...groupCommands,
  ...relayCommands,
  check,
  backup,
  restore,
  ...copyCommands,
]
