// The table of settings: each with its flag, its variables, its default and what it is for.
import { LOG_FORMATS, LOG_LEVELS } from '../telemetry/logger.ts'
import {
  duration,
  matching,
  onOff,
  oneOf,
  orNothing,
  originList,
  roleList,
  serviceList,
  share,
  storeAddress,
  webAddress,
  whole,
} from './parsers.ts'

export interface Setting<Value> {
  /** Undefined where a value on the command line would show a secret to everybody on the machine. */
  readonly flag?: string | undefined
  readonly environment: readonly [string, ...string[]]
  readonly fallback: string
  /** @throws {Unfit} what to write instead */
  readonly parse: (text: string) => Value
  readonly description: string
  /** `hidden` is never shown; of an `address` the password is not. */
  readonly secret?: 'hidden' | 'address'
}

const setting = <Value>(rules: Setting<Value>): Setting<Value> => rules

export const settingsTable = {
  host: setting({
    flag: 'host',
    environment: ['LONJA_HOST'],
    fallback: '127.0.0.1',
    parse: matching(/^[A-Za-z0-9.:_[\]-]+$/, 'write an address of this machine, such as 127.0.0.1 or 0.0.0.0'),
    description: 'Address to listen on; beyond this machine only with API keys.',
  }),
  port: setting({
    flag: 'port',
    environment: ['LONJA_PORT', 'PORT'],
    fallback: '8080',
    parse: whole(0, 65_535),
    description: 'Port to listen on; 0 takes any free one.',
  }),
  store: setting({
    flag: 'store',
    environment: ['LONJA_STORE_URL', 'STORE_URL'],
    fallback: 'sqlite:var/lonja.sqlite',
    parse: storeAddress,
    description:
      'Database: sqlite:PATH, sqlite::memory: or postgres://… ; STORE_URL_<SERVICE> gives a service its own.',
    secret: 'address',
  }),
  services: setting({
    flag: 'services',
    environment: ['LONJA_SERVICES', 'MODULES_ENABLED'],
    fallback: 'all',
    parse: serviceList,
    description: 'Services that this process runs, such as orders,inventory.',
  }),
  roles: setting({
    flag: 'roles',
    environment: ['LONJA_ROLES', 'APP_ROLE'],
    fallback: 'api,worker',
    parse: roleList,
    description: 'What this process does: api answers HTTP, worker handles messages.',
  }),
  url: setting({
    flag: 'url',
    environment: ['LONJA_URL'],
    fallback: '',
    parse: orNothing(matching(/^https?:\/\/[^\s/]+(?:\/\S*)?$/, 'write an address such as http://127.0.0.1:8080')),
    description: 'Running server that commands talk to; the one at --host and --port unless given.',
  }),
  key: setting({
    flag: 'key',
    environment: ['LONJA_KEY'],
    fallback: '',
    parse: orNothing((text) => text),
    description: 'API key for the running server; on the command line others on this machine can see it.',
    secret: 'hidden',
  }),
  apiKeys: setting({
    environment: ['LONJA_API_KEYS'],
    fallback: '',
    parse: (text) => text,
    description: 'API keys, parted by commas: name role sha256-of-key.',
    secret: 'hidden',
  }),
  apiKeysFile: setting({
    flag: 'api-keys-file',
    environment: ['LONJA_API_KEYS_FILE'],
    fallback: '',
    parse: orNothing((text) => text),
    description: 'File with one API key a line: name role sha256-of-key.',
  }),
  corsOrigins: setting({
    flag: 'cors-origins',
    environment: ['LONJA_CORS_ORIGINS', 'CORS_ORIGINS'],
    fallback: '',
    parse: originList,
    description:
      'Pages that may call the API from a browser, such as https://shop.example, parted by commas; * for all.',
  }),
  logLevel: setting({
    flag: 'log-level',
    environment: ['LONJA_LOG_LEVEL', 'LOG_LEVEL'],
    fallback: 'info',
    parse: oneOf(LOG_LEVELS),
    description: 'The least important lines that the log shows.',
  }),
  logFormat: setting({
    flag: 'log-format',
    environment: ['LONJA_LOG_FORMAT', 'LOG_FORMAT'],
    fallback: 'auto',
    parse: oneOf(LOG_FORMATS),
    description: 'How the log looks: json for machines, pretty for people, auto by whether it is a terminal.',
  }),
  stopLimitMs: setting({
    flag: 'stop-limit',
    environment: ['LONJA_STOP_LIMIT'],
    fallback: '10 s',
    parse: duration,
    description: 'How long requests and batches may still run when the process is told to stop.',
  }),
  smtpUrl: setting({
    flag: 'smtp-url',
    environment: ['LONJA_SMTP_URL', 'SMTP_URL'],
    fallback: '',
    parse: orNothing(matching(/^smtps?:\/\/\S+$/, 'write smtp://user:password@host:587')),
    description: 'Mail server; without one the process keeps the last mails itself.',
    secret: 'address',
  }),
  mailFrom: setting({
    flag: 'mail-from',
    environment: ['LONJA_MAIL_FROM', 'MAIL_FROM'],
    fallback: 'Lonja <no-reply@lonja.invalid>',
    parse: matching(/^[^@\n]+@[^@\s]+$/, 'write an address such as Shop <orders@shop.example>'),
    description: 'Sender of mails.',
  }),
  mailFailureRate: setting({
    flag: 'mail-failure-rate',
    environment: ['LONJA_MAIL_FAILURE_RATE'],
    fallback: '0',
    parse: share,
    description: 'Share of mails that the mail keeper in the process refuses, to see what happens then.',
  }),
  deadLetterRetentionMs: setting({
    flag: 'dead-letter-retention',
    environment: ['LONJA_DEAD_LETTER_RETENTION', 'DEAD_LETTER_RETENTION'],
    fallback: '30 d',
    parse: duration,
    description: 'How long dead letters are kept in the database before they go to a file.',
  }),
  deadLetterFolder: setting({
    flag: 'dead-letter-folder',
    environment: ['LONJA_DEAD_LETTER_FOLDER'],
    fallback: '',
    parse: orNothing((text) => text),
    description: 'Folder of archived dead letters; dead-letters beside the SQLite database, else in var, unless given.',
  }),
  traceUrl: setting({
    environment: ['LONJA_TRACE_URL', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    fallback: '',
    parse: orNothing(webAddress),
    description:
      'Where traces are sent (OTLP over HTTP), such as http://localhost:4318. Without one nothing is traced.',
    secret: 'address',
  }),
  traceShare: setting({
    flag: 'trace-share',
    environment: ['LONJA_TRACE_SHARE', 'OTEL_TRACES_SAMPLER_ARG'],
    fallback: '1',
    parse: share,
    description: 'Share of requests that are traced where the caller does not say so himself.',
  }),
  alertUrl: setting({
    environment: ['LONJA_ALERT_WEBHOOK_URL', 'ALERT_WEBHOOK_URL'],
    fallback: '',
    parse: orNothing(webAddress),
    description: 'Webhook that is told of dead letters, gaps and partitions that stand still.',
    secret: 'hidden',
  }),
  alertSecret: setting({
    environment: ['LONJA_ALERT_WEBHOOK_SECRET', 'ALERT_WEBHOOK_SECRET'],
    fallback: '',
    parse: orNothing((text) => text),
    description: 'Signs alerts in the header lonja-signature.',
    secret: 'hidden',
  }),
  smsUrl: setting({
    environment: ['LONJA_SMS_URL', 'SMS_URL'],
    fallback: '',
    parse: orNothing(webAddress),
    description: 'Provider of text messages: takes { to, from, text } as JSON. Without one the process keeps the last.',
    secret: 'hidden',
  }),
  smsKey: setting({
    environment: ['LONJA_SMS_KEY', 'SMS_KEY'],
    fallback: '',
    parse: orNothing((text) => text),
    description: 'Bearer token for the provider of text messages.',
    secret: 'hidden',
  }),
  smsFrom: setting({
    flag: 'sms-from',
    environment: ['LONJA_SMS_FROM', 'SMS_FROM'],
    fallback: '',
    parse: orNothing((text) => text),
    description: 'Sender of text messages.',
  }),
  notificationWebhookUrl: setting({
    environment: ['LONJA_NOTIFICATION_WEBHOOK_URL', 'NOTIFICATION_WEBHOOK_URL'],
    fallback: '',
    parse: orNothing(webAddress),
    description: 'Where notifications by webhook go of clients who chose that and named no address.',
    secret: 'hidden',
  }),
  notificationWebhookSecret: setting({
    environment: ['LONJA_NOTIFICATION_WEBHOOK_SECRET', 'NOTIFICATION_WEBHOOK_SECRET'],
    fallback: '',
    parse: orNothing((text) => text),
    description: 'Signs notifications by webhook in the header lonja-signature.',
    secret: 'hidden',
  }),
  webhooksMayBePrivate: setting({
    flag: 'webhooks-may-be-private',
    environment: ['LONJA_WEBHOOKS_MAY_BE_PRIVATE'],
    fallback: 'off',
    parse: onOff,
    description: "Whether clients' webhooks may lie in private networks and be called without TLS: on or off.",
  }),
  paymentDeclineOneIn: setting({
    flag: 'payment-decline-one-in',
    environment: ['LONJA_PAYMENT_DECLINE_ONE_IN'],
    fallback: '0',
    parse: whole(0, 1_000_000),
    description: 'The payment simulator declines one payment in so many; 0 declines none.',
  }),
  paymentLoseAnswerOneIn: setting({
    flag: 'payment-lose-answer-one-in',
    environment: ['LONJA_PAYMENT_LOSE_ANSWER_ONE_IN'],
    fallback: '0',
    parse: whole(0, 1_000_000),
    description: 'The payment simulator takes the money and loses the answer of one in so many; 0 loses none.',
  }),
  manualPaymentLimitMs: setting({
    flag: 'manual-payment-limit',
    environment: ['LONJA_MANUAL_PAYMENT_LIMIT'],
    fallback: '24 h',
    parse: duration,
    description: 'How long an order with a manual payment waits, with its stock held, before it is cancelled.',
  }),
  editsNeedApproval: setting({
    flag: 'edits-need-approval',
    environment: ['LONJA_EDITS_NEED_APPROVAL'],
    fallback: 'off',
    parse: (text) => oneOf(['on', 'off'])(text) === 'on',
    description: 'Whether an edit of a dead letter waits for the approval of a second person: on or off.',
  }),
  sqliteMaxPages: setting({
    flag: 'sqlite-max-pages',
    environment: ['LONJA_SQLITE_MAX_PAGES', 'SQLITE_MAX_PAGES'],
    fallback: '',
    parse: orNothing(whole(64, 2 ** 31 - 1)),
    description: 'Pages of 8 KB that the SQLite database may grow to; more is refused like a full disk.',
  }),
  handlerLimitMs: setting({
    flag: 'handler-limit',
    environment: ['LONJA_HANDLER_LIMIT'],
    fallback: '5 s',
    parse: duration,
    description:
      'Processor time that a handler may take for one message; above it the watchdog ends the process. 0 s: no limit.',
  }),
  batchWaitMs: setting({
    flag: 'batch-wait-ms',
    environment: ['LONJA_BATCH_WAIT_MS'],
    fallback: '0',
    parse: whole(0, 1000),
    description: 'Milliseconds to gather messages before a batch; 2 saves a fifth of the processor time at low load.',
  }),
  windowReport: setting({
    flag: 'window-report',
    environment: ['LONJA_WINDOW_REPORT'],
    fallback: 'on',
    parse: onOff,
    description: 'Whether a report of each five-minute window is printed: on or off.',
  }),
} as const
