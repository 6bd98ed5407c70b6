// Makes what a secured Kafka needs: an authority and a certificate of its own, users, and passwords made at random.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { javaProgram } from './jars.ts'
import { toProperties, type Installation, type Settings } from './node-configuration.ts'
import { makeCheckpoint } from './node-data.ts'

/** `admin` may do everything; `lonja` may do what ACLs allow it, which is nothing at first. */
export type User = 'admin' | 'lonja'
export type Passwords = Readonly<Record<User | 'keyStore', string>>

/** What a client needs. It connects by SASL_SSL with SCRAM-SHA-512. */
export interface Access {
  /** The certificate of the authority, as PEM. */
  readonly ca: string
  readonly passwords: Readonly<Record<User, string>>
}

const run = promisify(execFile)
const nodeName = 'CN=lonja-kafka-node'
const validDays = '3650'
const passwordBytes = 18
/** Only their owner may read what holds a password. */
const secret = { mode: 0o600 }

export function securityFiles(folder: string) {
  const own = join(folder, 'security')
  return {
    own,
    ca: join(own, 'ca.pem'),
    keyStore: join(own, 'node.p12'),
    passwords: join(own, 'passwords.json'),
    checkpoint: join(own, 'bootstrap.checkpoint'),
  }
}

const readPasswords = (folder: string): Passwords =>
  JSON.parse(readFileSync(securityFiles(folder).passwords, 'utf8')) as Passwords

export function readAccess(folder: string): Access {
  const { admin, lonja } = readPasswords(folder)
  return { ca: readFileSync(securityFiles(folder).ca, 'utf8'), passwords: { admin, lonja } }
}

/** Runs keytool, which comes with each Java, on a key store; the password goes by the environment. */
async function keytool(store: string, password: string, args: readonly string[]): Promise<void> {
  const quick = ['-J-XX:TieredStopAtLevel=1', '-J-XX:+UseSerialGC']
  const where = ['-storetype', 'PKCS12', '-keystore', store, '-storepass:env', 'STORE_PASSWORD']
  const env = { ...process.env, STORE_PASSWORD: password }
  await run(javaProgram('keytool'), [...quick, ...args, ...where], { env }).catch((error: unknown) => {
    const { stdout = '' } = error as { readonly stdout?: string }
    const said = stdout.trim() || String(error)
    throw new Error(`The certificates of Kafka could not be made: keytool ${args[0]} said: ${said}`, { cause: error })
  })
}

function generate(name: string, subject: string): readonly string[] {
  const key = ['-keyalg', 'EC', '-groupname', 'secp256r1', '-validity', validDays]
  return ['-genkeypair', '-alias', name, '-dname', subject, ...key]
}

/** One certificate for all nodes, as all are on this machine. The authority's key is removed once it has signed. */
async function makeCertificates(folder: string, password: string): Promise<void> {
  const { own, ca, keyStore } = securityFiles(folder)
  const [authority, request, reply] = ['ca.p12', 'node.csr', 'node.pem'].map((name) => join(own, name)) as [
    string,
    string,
    string,
  ]
  const isAuthority = ['-ext', 'bc:c=ca:true', '-ext', 'ku:c=keyCertSign,cRLSign']
  const isNode = ['-ext', 'san=dns:localhost,ip:127.0.0.1', '-ext', 'eku=serverAuth,clientAuth']
  const sign = ['-gencert', '-rfc', '-alias', 'ca', '-infile', request, '-outfile', reply, '-validity', validDays]
  await keytool(authority, password, [...generate('ca', 'CN=lonja-kafka-ca'), ...isAuthority])
  await keytool(authority, password, ['-exportcert', '-rfc', '-alias', 'ca', '-file', ca])
  await keytool(keyStore, password, generate('node', nodeName))
  await keytool(keyStore, password, ['-certreq', '-alias', 'node', '-file', request])
  await keytool(authority, password, [...sign, ...isNode])
  await keytool(keyStore, password, ['-importcert', '-noprompt', '-alias', 'ca', '-file', ca])
  await keytool(keyStore, password, ['-importcert', '-noprompt', '-alias', 'node', '-file', reply])
  for (const file of [authority, request, reply]) rmSync(file)
}

/** Makes all of it below the folder, unless an earlier start did. Returns the checkpoint that knows the users. */
export async function makeSecurity(installation: Installation, folder: string): Promise<string> {
  const { own, passwords, checkpoint } = securityFiles(folder)
  if (existsSync(passwords)) return checkpoint
  rmSync(own, { recursive: true, force: true })
  mkdirSync(own, { recursive: true, mode: 0o700 })
  const newPassword = (): string => randomBytes(passwordBytes).toString('base64url')
  const made: Passwords = { admin: newPassword(), lonja: newPassword(), keyStore: newPassword() }
  await makeCertificates(folder, made.keyStore)
  const users = (['admin', 'lonja'] as const).map((name) => `SCRAM-SHA-512=[name=${name},password=${made[name]}]`)
  await makeCheckpoint(installation, own, users)
  // Last, as it is what tells that all is there.
  writeFileSync(passwords, `${JSON.stringify(made, undefined, 2)}\n`, secret)
  return checkpoint
}

const login = (user: User, passwords: Passwords): string =>
  `org.apache.kafka.common.security.scram.ScramLoginModule required username="${user}" password="${passwords[user]}";`

/** Clients come by SASL_SSL; controllers and brokers know each other by their certificate, as SCRAM needs a quorum. */
export function nodeSecurity(folder: string): Settings {
  const { ca, keyStore } = securityFiles(folder)
  const passwords = readPasswords(folder)
  return {
    'listener.security.protocol.map': 'CONTROLLER:SSL,SASL_SSL:SASL_SSL',
    'inter.broker.listener.name': 'SASL_SSL',
    'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-512',
    'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': login('admin', passwords),
    'listener.name.controller.ssl.client.auth': 'required',
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.location': keyStore,
    'ssl.keystore.password': passwords.keyStore,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': ca,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': `User:admin;User:${nodeName}`,
    'allow.everyone.if.no.acl.found': 'false',
  }
}

/** Writes what a command-line class logs in with, as a file for its `--command-config`. */
export function writeClientFile(folder: string, user: User): string {
  const { own, ca } = securityFiles(folder)
  const settings = {
    'security.protocol': 'SASL_SSL',
    'sasl.mechanism': 'SCRAM-SHA-512',
    'sasl.jaas.config': login(user, readPasswords(folder)),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': ca,
  }
  const file = join(own, `client-${user}.properties`)
  writeFileSync(file, toProperties(settings), secret)
  return file
}
