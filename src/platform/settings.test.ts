// The settings: which source wins, what they become, and what people are told when something does not fit.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveSettings, SettingsError, type ResolveOptions } from './settings.ts'

const serviceNames = ['orders', 'inventory', 'payments']

function problemsOf(argv: readonly string[], env: Record<string, string> = {}, options: ResolveOptions = {}): string[] {
  try {
    resolveSettings(argv, env, options)
  } catch (error) {
    assert.ok(error instanceof SettingsError, String(error))
    return [...error.problems]
  }
  return []
}

function listedAs(name: string, resolved: ReturnType<typeof resolveSettings>): readonly [string, string] | undefined {
  const found = resolved.list.find((each) => each.name === name)
  return found && [found.value, found.source]
}

test('without anything, the defaults hold', () => {
  const { settings, list } = resolveSettings([], {})
  assert.deepEqual(settings, {
    host: '127.0.0.1',
    port: 8080,
    store: { kind: 'sqlite', path: 'var/lonja.sqlite' },
    storeByService: {},
    brokers: undefined,
    kafkaClientId: 'lonja',
    kafkaGroupPrefix: '',
    kafkaTls: false,
    kafkaCaFile: undefined,
    kafkaCertificateFile: undefined,
    kafkaKeyFile: undefined,
    kafkaMechanism: 'scram-sha-512',
    kafkaUsername: undefined,
    kafkaPassword: '',
    kafkaPasswordFile: undefined,
    kafkaIgnoredLogs: [],
    relayBacklogLimit: 100_000,
    services: 'all',
    feeds: [],
    roles: ['api', 'worker'],
    apiKeys: '',
    apiKeysFile: undefined,
    corsOrigins: [],
    logLevel: 'info',
    logFormat: 'auto',
    stopLimitMs: 10_000,
    smtpUrl: undefined,
    mailFrom: 'Lonja <no-reply@lonja.invalid>',
    mailFailureRate: 0,
    deadLetterRetentionMs: 2_592_000_000,
    deadLetterFolder: undefined,
    logBackupWindowMs: 604_800_000,
    traceUrl: undefined,
    traceShare: 1,
    alertUrl: undefined,
    alertSecret: undefined,
    smsUrl: undefined,
    smsKey: undefined,
    smsFrom: undefined,
    notificationWebhookUrl: undefined,
    notificationWebhookSecret: undefined,
    webhooksMayBePrivate: false,
    paymentDeclineOneIn: 0,
    paymentLoseAnswerOneIn: 0,
    manualPaymentLimitMs: 86_400_000,
    editsNeedApproval: false,
    handlerLimitMs: 5000,
    sqliteMaxPages: undefined,
    batchWaitMs: 0,
    windowReport: true,
    url: undefined,
    key: undefined,
  })
  assert.ok(list.every(({ source, description }) => source === 'default' && description.endsWith('.')))
})

test('brokers are named by an address, by a list, or by a variable each', () => {
  const of = (argv: readonly string[], env = {}) => resolveSettings(argv, env).settings.brokers
  assert.deepEqual(of(['--log', 'kafka://one:9092,two:9092']), ['one:9092', 'two:9092'])
  assert.deepEqual(of([], { KAFKA_BROKERS: 'one:9092, two:9092' }), ['one:9092', 'two:9092'])
  assert.deepEqual(of([], { KAFKA_BROKER_2: 'two:9092', KAFKA_BROKER_1: 'one:9092' }), ['one:9092', 'two:9092'])
  assert.throws(() => of(['--log', 'one']), /--log is "one": write kafka:\/\/host:9092/)
})

test('a flag wins over the environment, that over .env, and that over the default', () => {
  const envFile = 'PORT=1111\nLOG_LEVEL=debug\n'
  const all = resolveSettings(['--port', '3333'], { PORT: '2222' }, { envFile })
  assert.deepEqual([all.settings.port, listedAs('port', all)], [3333, ['3333', '--port']])
  const two = resolveSettings([], { PORT: '2222' }, { envFile })
  assert.deepEqual([two.settings.port, listedAs('port', two)], [2222, ['2222', 'PORT']])
  const one = resolveSettings([], {}, { envFile })
  assert.deepEqual([one.settings.port, listedAs('port', one)], [1111, ['1111', 'PORT in .env']])
  assert.equal(one.settings.logLevel, 'debug')
})

test('an empty variable counts as none, and our own name wins over the common one', () => {
  assert.equal(resolveSettings([], { PORT: '' }).settings.port, 8080)
  assert.equal(resolveSettings([], { PORT: '1', LONJA_PORT: '2' }).settings.port, 2)
})

test('the names of other systems are understood', () => {
  const { settings } = resolveSettings(
    [],
    { MODULES_ENABLED: 'orders, inventory', APP_ROLE: 'workers' },
    { serviceNames },
  )
  assert.deepEqual([settings.services, settings.roles], [['orders', 'inventory'], ['worker']])
  assert.deepEqual(resolveSettings([], { SQLITE_MAX_PAGES: '500' }).settings.sqliteMaxPages, 500)
})

test('stores are told apart, and a service may have its own', () => {
  const store = (text: string) => resolveSettings([`--store=${text}`], {}).settings.store
  assert.deepEqual(store('sqlite::memory:'), { kind: 'sqlite', path: ':memory:' })
  assert.deepEqual(store('sqlite:///var/x.sqlite'), { kind: 'sqlite', path: '/var/x.sqlite' })
  assert.deepEqual(store('postgres://a:b@h/d'), { kind: 'postgres', url: 'postgres://a:b@h/d' })
  const env = { STORE_URL_ORDERS: 'postgres://a:b@h/orders' }
  const envFile = 'STORE_URL_ORDERS=sqlite:x\nSTORE_URL_PAYMENTS=sqlite:y'
  const { storeByService } = resolveSettings([], env, { envFile, serviceNames }).settings
  assert.deepEqual(storeByService, {
    orders: { kind: 'postgres', url: 'postgres://a:b@h/orders' },
    payments: { kind: 'sqlite', path: 'y' },
  })
})

test('secrets are shown as ***, wherever they stand', () => {
  const env = {
    LONJA_API_KEYS: `shop clerk ${'a'.repeat(64)}`,
    STORE_URL: 'postgres://lonja:s3c:r@t@db/lonja?sslpassword=hidden',
    STORE_URL_ORDERS: 'postgres://lonja:s3cret@db/orders',
    SMTP_URL: 'smtp://mailer:s3cret@mail:587',
  }
  const resolved = resolveSettings([], env)
  const text = JSON.stringify(resolved.list)
  assert.ok(!/s3c|hidden|aaaa/.test(text), text)
  assert.deepEqual(listedAs('apiKeys', resolved), ['***', 'LONJA_API_KEYS'])
  assert.equal(listedAs('store', resolved)?.[0], 'postgres://lonja:***@db/lonja?sslpassword=***')
  assert.deepEqual(listedAs('orders', resolved), ['postgres://lonja:***@db/orders', 'STORE_URL_ORDERS'])
})

test('words, flags of the command and flags of settings are told apart', () => {
  const commandFlags = { json: 'switch', orders: 'value', exit: 'switch' } as const
  const argv = ['demo', '--json', '--orders', '500', '--port=0', 'file.csv', '--', '--not-a-flag']
  const { words, flags, settings } = resolveSettings(argv, {}, { commandFlags })
  assert.deepEqual(words, ['demo', 'file.csv', '--not-a-flag'])
  assert.deepEqual(flags, { json: true, orders: '500' })
  assert.equal(settings.port, 0)
})

test('an unknown flag gets a sentence with the name that was probably meant', () => {
  assert.deepEqual(problemsOf(['--prot', '1']), ['There is no flag --prot. Did you mean --port?'])
  assert.deepEqual(problemsOf(['--jsno'], {}, { commandFlags: { json: 'switch' } }), [
    'There is no flag --jsno. Did you mean --json?',
  ])
  assert.deepEqual(problemsOf(['--quantum=7']), [
    'There is no flag --quantum. --help and `lonja settings` list what there is.',
  ])
})

test('each bad value gets a sentence that names its place and says what to write instead', () => {
  const cases: readonly (readonly [string[], Record<string, string>, string])[] = [
    [['--port', '80x8'], {}, '--port is "80x8": write a whole number from 0 to 65535.'],
    [['--port', '70000'], {}, '--port is "70000": write a whole number from 0 to 65535.'],
    [[], { PORT: '-1' }, 'PORT is "-1": write a whole number from 0 to 65535.'],
    [['--roles', 'api,boss'], {}, '--roles is "api,boss": write api, worker or api,worker.'],
    [['--log-level', 'loud'], {}, '--log-level is "loud": write one of debug, info, warn, error, silent.'],
    [
      ['--stop-limit', 'soon'],
      {},
      `--stop-limit is "soon": write a duration of at most a year, such as '500 ms', '30 s', '5 min' or '24 h'.`,
    ],
    [['--mail-failure-rate', '1.5'], {}, '--mail-failure-rate is "1.5": write a share from 0 to 1, such as 0.05.'],
    [['--window-report=maybe'], {}, '--window-report is "maybe": write one of on, off.'],
    [['--services', ','], {}, '--services is ",": write all, or names of services such as orders,inventory.'],
    [['--services', 'order'], {}, 'There is no service order. Did you mean orders?'],
    [[], { STORE_URL_ORDRES: 'sqlite:x' }, 'STORE_URL_ORDRES names no service. Did you mean orders?'],
    [
      ['--cors-origins', 'https://shop.example/'],
      {},
      '--cors-origins is "https://shop.example/": write origins without a path, such as ' +
        'https://shop.example,http://localhost:5173, or *.',
    ],
  ]
  for (const [argv, env, sentence] of cases) assert.deepEqual(problemsOf(argv, env, { serviceNames }), [sentence])
})

test('a store that does not fit is not quoted, as it may hold a password', () => {
  assert.deepEqual(problemsOf([], { STORE_URL: 'mysql://root:s3cret@db' }), [
    'STORE_URL is not right: write sqlite:PATH, sqlite::memory: or postgres://user:password@host:5432/database.',
  ])
})

test('a flag without its value and a switch with one are told', () => {
  assert.deepEqual(problemsOf(['--port']), ['--port needs a value: write --port VALUE.'])
  assert.deepEqual(problemsOf(['--port', '--host', '::1']), ['--port needs a value: write --port VALUE.'])
  assert.deepEqual(problemsOf(['--json=yes'], {}, { commandFlags: { json: 'switch' } }), [
    '--json takes no value: leave out "=yes".',
  ])
})

test('all mistakes are told at once', () => {
  assert.equal(problemsOf(['--port', 'x', '--prot', '1'], { LOG_LEVEL: 'loud' }).length, 3)
})

test('a variable that begins like ours and means nothing is worth a note', () => {
  const { notes } = resolveSettings([], { LONJA_PROT: '1', HOME: '/root' })
  assert.deepEqual(notes, ['LONJA_PROT is no setting and changes nothing. Did you mean LONJA_PORT?'])
})

test('durations are read with and without a blank', () => {
  const limit = (text: string) => resolveSettings(['--stop-limit', text], {}).settings.stopLimitMs
  assert.deepEqual([limit('500ms'), limit('1.5 s'), limit('2 min'), limit('1h')], [500, 1500, 120_000, 3_600_000])
})
