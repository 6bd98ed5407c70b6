// Posts to an address that somebody else chose, and sees to it that it is none inside our own network.
import { lookup } from 'node:dns'
import { request as requestPlainly } from 'node:http'
import { request as requestSecurely } from 'node:https'
import type { LookupFunction } from 'node:net'
import { BlockList, isIP } from 'node:net'
import type { Taken } from './messengers.ts'

export interface Post {
  readonly url: string
  /** JSON. */
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Chosen by whoever runs the shop: it may lie anywhere, and be called without TLS. */
  readonly isTrusted: boolean
}

/** Too many requests and a too slow server: worth another try, unlike all other answers below 500. */
const PASSING = new Set([408, 425, 429])

const NOT_PUBLIC = 'the address lies in a private network'

/**
 * Posts JSON. Redirects are not followed, since they could lead anywhere, and of the answer only the status is read.
 * The name is looked up once and that address is called: a name that changes between a look and a call leads nowhere
 * else (DNS rebinding).
 *
 * @returns how it was taken; `refused` where another try would be in vain.
 * @throws where another try may help; the text names no address.
 */
export async function post(call: Post): Promise<Taken> {
  const target = URL.parse(call.url)
  const refused = target === null ? 'the address is none' : refusalOf(target, call.isTrusted)
  if (target === null || refused !== undefined) return { refused: refused ?? '' }
  const sent = await statusOf(target, call).catch((error: unknown) => ({ error }))
  if (typeof sent === 'object') {
    if (sent.error instanceof NotPublic) return { refused: NOT_PUBLIC }
    // The original is not kept as the cause: it names the address.
    throw new Error(`The address can not be reached: ${codeOf(sent.error)}.`)
  }
  if (sent >= 200 && sent < 300) return {}
  if (sent >= 500 || PASSING.has(sent)) throw new Error(`The address answered ${sent}.`)
  return {
    refused: `the address answered ${sent}${sent >= 300 && sent < 400 ? ', and redirects are not followed' : ''}`,
  }
}

function refusalOf({ protocol, hostname }: URL, isTrusted: boolean): string | undefined {
  if (protocol !== 'https:' && protocol !== 'http:') return 'the address is neither https nor http'
  if (isTrusted) return undefined
  if (protocol === 'http:') return 'the address is not https'
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(host) === 0 || isPublic(host) ? undefined : NOT_PUBLIC
}

function statusOf(target: URL, { body, headers, signal, isTrusted }: Post): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const request = (target.protocol === 'https:' ? requestSecurely : requestPlainly)(
    target,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
      signal,
      // One connection a call: a pool by name would skip the look at the address.
      agent: false,
      ...(isTrusted ? {} : { lookup: lookUpPublic }),
    },
    (response) => {
      resolve(response.statusCode ?? 0)
      response.destroy()
    },
  )
  request.on('error', reject)
  request.end(body)
  return promise
}

class NotPublic extends Error {
  override readonly name = 'NotPublic'
}

/** A name with one private address among several is refused as a whole: nobody could tell which one is called. */
export const lookUpPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? []
    if (error !== null || first === undefined) return callback(error ?? new Error('no address'), '')
    if (!addresses.every(({ address }) => isPublic(address))) return callback(new NotPublic(NOT_PUBLIC), '')
    return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family)
  })
}

/** What IANA's registries of special-purpose addresses do not list as globally reachable (RFC 6890). */
const PRIVATE_IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const
/** Within 2000::/3, the only range that is handed out: Teredo, documentation, and 6to4, which wraps IPv4 addresses. */
const PRIVATE_IPV6 = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const

const blocked = new BlockList()
for (const [net, prefix] of PRIVATE_IPV4) blocked.addSubnet(net, prefix, 'ipv4')
for (const [net, prefix] of PRIVATE_IPV6) blocked.addSubnet(net, prefix, 'ipv6')
const global6 = new BlockList()
global6.addSubnet('2000::', 3, 'ipv6')

/** Whether an IP address can be reached from anywhere, and so is none of our own network. */
export function isPublic(address: string): boolean {
  if (isIP(address) === 4) return !blocked.check(address, 'ipv4')
  return isIP(address) === 6 && global6.check(address, 'ipv6') && !blocked.check(address, 'ipv6')
}

function codeOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' && /^\w{1,60}$/.test(code) ? code : 'ERROR'
}
