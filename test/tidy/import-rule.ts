// The import rule: who may import whom, so that a newcomer knows which room he stands in and what he may touch.
import type { Finding, Rule } from './finding.ts'
import { importsOf, isTest, type Import, type Source } from './source.ts'

type Area =
  | {
      readonly name:
        | 'kernel'
        | 'platform'
        | 'cli'
        | 'main'
        | 'app'
        | 'services-list'
        | 'testing'
        | 'unknown'
        | 'outside'
    }
  | { readonly name: 'service' | 'adapter'; readonly service: string }

/** Pure as long as their clock and dice are left alone, which the purity rule sees to. */
const harmlessPackages = new Set([
  'zod',
  'node:assert',
  'node:assert/strict',
  'node:crypto',
  'node:util',
  'node:buffer',
])
/** What reaches a database or the network. */
const drivers = new Set(
  [
    ['pg', 'node:sqlite', 'nodemailer', 'kafkajs', '@platformatic/kafka', 'amqplib', 'stripe', 'undici', 'fastify'],
    ['node:net', 'node:tls', 'node:http', 'node:https', 'node:http2', 'node:dgram', 'node:dns', 'node:dns/promises'],
    ['prom-client', 'pino'],
  ].flat(),
)

export function areaOf(path: string): Area {
  const [root, first, service, inner] = path.split('/')
  if (root !== 'src') return { name: 'outside' }
  if (path === 'src/main.ts') return { name: 'main' }
  if (path === 'src/app.ts') return { name: 'app' }
  if (path === 'src/services.ts') return { name: 'services-list' }
  if (first === 'services' && service !== undefined && inner !== undefined) {
    return { name: inner === 'adapters' ? 'adapter' : 'service', service }
  }
  if (first === 'kernel' || first === 'platform' || first === 'cli' || first === 'testing') return { name: first }
  return { name: 'unknown' }
}

const sameService = (from: Area, to: Area): boolean =>
  'service' in from && 'service' in to && from.service === to.service
const isContract = (path: string): boolean => /^src\/services\/[^/]+\/contract\.ts$/.test(path)

/** Says what is wrong with an import of one of our own files; undefined if nothing is. */
function judgeOurs(from: Area, path: string): string | undefined {
  const to = areaOf(path)
  if (from.name === 'main' || from.name === 'app' || from.name === 'testing' || from.name === 'outside')
    return undefined
  if (to.name === 'outside')
    return path === 'package.json' ? undefined : 'src imports nothing outside src but package.json'
  if (to.name === 'testing') return 'src/testing is for tests only: move what production needs to src/platform'
  if (to.name === 'main') return 'nobody imports main.ts: move what is shared to where it belongs'
  if (to.name === 'app' && from.name !== 'cli') return 'only main.ts and the command line put the application together'
  if (from.name === 'kernel') return to.name === 'kernel' ? undefined : 'kernel imports nothing of ours but kernel'
  if (from.name === 'platform') {
    const allowed = to.name === 'kernel' || to.name === 'platform'
    return allowed ? undefined : 'platform imports kernel and platform, never a service: pass it in from main.ts'
  }
  if (from.name === 'services-list') {
    const allowed = to.name === 'kernel' || path.endsWith('/service.ts')
    return allowed ? undefined : "services.ts lists each service's service.ts and nothing else"
  }
  if (from.name === 'service' || from.name === 'adapter') {
    if (to.name === 'kernel' || sameService(from, to) || isContract(path)) return undefined
    if (from.name === 'adapter' && path === 'src/platform/ports.ts') return undefined
    return "a service imports its own folder, kernel and other services' contract.ts: send a command or hear an event"
  }
  return undefined
}

/** Says what is wrong with an import of a package or of a module of Node; undefined if nothing is. */
function judgePackage(from: Area, name: string): string | undefined {
  if (from.name === 'kernel' || from.name === 'service') {
    if (harmlessPackages.has(name) || name.startsWith('zod/')) return undefined
    const place = from.name === 'kernel' ? 'src/platform' : "src/platform or the service's adapters"
    return `${name} touches the world, and this code is pure: move it to ${place}`
  }
  if (from.name === 'cli' || from.name === 'services-list') {
    if (!drivers.has(name) && !name.startsWith('@fastify/')) return undefined
    return `${name} is a driver: only src/platform and a service's adapters import drivers`
  }
  return undefined
}

function judge(source: Source, { specifier, target }: Import): string | undefined {
  const from = areaOf(source.path)
  if (target !== undefined) return judgeOurs(from, target)
  const builtin =
    /^(fs|net|tls|http|https|http2|crypto|path|os|util|child_process|dns|dgram|stream|events|timers)(\/|$)/
  if (builtin.test(specifier)) return `write node:${specifier}, so that nobody takes it for a package`
  return judgePackage(from, specifier)
}

/** Tests beside the source may import anything, as those in test/ may. */
export const importRule: Rule = (source) => {
  if (isTest(source.path)) return []
  const finding = (line: number, advice: string): Finding => ({ path: source.path, line, rule: 'import-rule', advice })
  if (areaOf(source.path).name === 'unknown') {
    return [
      finding(1, 'this is no known area of src: kernel, platform, services/<name>, cli, testing, main.ts, services.ts'),
    ]
  }
  return importsOf(source).flatMap((each) => {
    const wrong = judge(source, each)
    return wrong === undefined ? [] : [finding(each.line, `imports ${each.specifier}: ${wrong}`)]
  })
}
