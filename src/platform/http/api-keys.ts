// API keys: only their hashes are kept, one line each: `name role sha256-of-key`.
import { hash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ROLES, type Role } from '../../kernel/route.ts'

export interface ApiKey {
  readonly name: string
  readonly role: Role
  readonly hash: Buffer
}

/** Each request is compared with every key, so that the time taken tells nothing. */
const MAX_KEYS = 200
const HOW_TO = 'write `name role sha256-of-key`; `printf %s "$KEY" | sha256sum` gives the hash'

/** A key list that can't be read; the message says where and how to mend it. */
export class ApiKeysError extends Error {
  override readonly name = 'ApiKeysError'
}

/**
 * The keys of the settings `apiKeys` and `apiKeysFile` together.
 *
 * @throws {ApiKeysError}
 */
export function loadApiKeys(settings: {
  readonly apiKeys: string
  readonly apiKeysFile: string | undefined
}): readonly ApiKey[] {
  const { apiKeys, apiKeysFile } = settings
  return parseApiKeys(apiKeysFile === undefined ? apiKeys : `${apiKeys}\n${readKeysFile(apiKeysFile)}`)
}

function readKeysFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code = 'an error' } = error as NodeJS.ErrnoException
    throw new ApiKeysError(`The API keys file ${path} can not be read (${code}). Name another with --api-keys-file.`)
  }
}

/**
 * Reads keys, parted by line ends or commas; `#` opens a comment.
 *
 * @throws {ApiKeysError}
 */
export function parseApiKeys(text: string): readonly ApiKey[] {
  const entries = text.split(/[\n,]/).map((line) => line.replace(/#.*/, '').trim())
  const keys = entries.flatMap((entry, index) => (entry === '' ? [] : [parseEntry(entry, index + 1)]))
  if (keys.length > MAX_KEYS)
    throw new ApiKeysError(`There are ${keys.length} API keys; at most ${MAX_KEYS} are allowed.`)
  const names = new Set(keys.map(({ name }) => name))
  const hashes = new Set(keys.map((key) => key.hash.toString('hex')))
  if (names.size < keys.length) throw new ApiKeysError('Two API keys have one name: give each its own.')
  if (hashes.size < keys.length) throw new ApiKeysError('Two API keys are the same key: give each name its own.')
  return keys
}

// The entry is never quoted: whoever pastes the key itself should not find it in a log.
function parseEntry(entry: string, line: number): ApiKey {
  const [name = '', role = '', digest = '', ...rest] = entry.split(/\s+/)
  const where = `API key ${line}`
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(name)) throw new ApiKeysError(`${where} has no proper name: ${HOW_TO}.`)
  const known = ROLES.find((each) => each === role)
  if (known === undefined) throw new ApiKeysError(`${where} has none of the roles ${ROLES.join(', ')}: ${HOW_TO}.`)
  if (!/^[0-9a-fA-F]{64}$/.test(digest) || rest.length > 0) throw new ApiKeysError(`${where} has no hash: ${HOW_TO}.`)
  return { name, role: known, hash: Buffer.from(digest, 'hex') }
}

/** Whose key this is. Every key is compared, by hash and in constant time. */
export function findApiKey(keys: readonly ApiKey[], presented: string): ApiKey | undefined {
  const digest = hash('sha256', presented, 'buffer')
  let found: ApiKey | undefined
  for (const key of keys) {
    if (timingSafeEqual(key.hash, digest)) found = key
  }
  return found
}
