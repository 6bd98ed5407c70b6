// Proves the container files without a container: by linters and schemas, and by what the program itself makes of them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import metadata from '../../package.json' with { type: 'json' }
import { run } from '../../src/cli/run.ts'
import { parseApiKeys } from '../../src/platform/http/api-keys.ts'
import type { Setting } from '../../src/platform/settings/parsers.ts'
import { settingsTable } from '../../src/platform/settings/table.ts'
import { areaOf } from '../tidy/import-rule.ts'
import { importsOf, isTest, readSources } from '../tidy/source.ts'
import { ask, pythonFolder } from './checkers.ts'

interface Service {
  readonly image?: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string | number>>
  readonly depends_on?: Readonly<Record<string, unknown>>
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly secrets?: readonly string[]
  readonly configs?: readonly { readonly source: string }[]
}
type Sources = Readonly<Record<string, { readonly file: string }>>
interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
  readonly secrets: Sources
  readonly configs: Sources
}

const projectFolder = join(import.meta.dirname, '..', '..')
const deploy = join(projectFolder, 'deploy')
const composeFile = join(deploy, 'compose.yaml')
const read = (...path: readonly string[]): string => readFileSync(join(projectFolder, ...path), 'utf8')
const dockerfile = read('deploy', 'Dockerfile')

/** The compose file as Compose sees it, with its anchors and merges resolved. Undefined where there is no Python. */
async function readCompose(): Promise<Compose | undefined> {
  const python = await pythonFolder()
  if (python === undefined) return undefined
  const program = `import json, sys; from ruamel.yaml import YAML
json.dump(YAML(typ='safe').load(open(sys.argv[1])), sys.stdout)`
  const { code, text } = await ask('python3', ['-c', program, composeFile], python)
  assert.equal(code, 0, text)
  return JSON.parse(text) as Compose
}

test('hadolint has nothing to say about the Dockerfile', async () => {
  const python = await pythonFolder()
  if (python === undefined) return
  const { code, text } = await ask(join(python, 'bin', 'hadolint'), [join(deploy, 'Dockerfile')])
  assert.deepEqual([code, text], [0, ''])
})

test('compose.yaml keeps to the schema of Compose', async () => {
  const python = await pythonFolder()
  if (python === undefined) return
  const check = ['-m', 'check_jsonschema', '--builtin-schema', 'vendor.compose-spec', composeFile]
  const { code, text } = await ask('python3', check, python)
  assert.equal(code, 0, text)
})

test('what services of compose.yaml name is declared there, and their ports serve this machine alone', async () => {
  const compose = await readCompose()
  if (compose === undefined) return
  const { services, volumes, secrets, configs } = compose
  const missing = Object.entries(services).flatMap(([name, service]) => [
    ...Object.keys(service.depends_on ?? {}).filter((each) => !(each in services)),
    ...(service.volumes ?? []).filter((each) => !((each.split(':')[0] ?? '') in volumes)),
    ...(service.secrets ?? []).filter((each) => !(each in secrets)),
    ...(service.configs ?? []).map(({ source }) => source).filter((each) => !(each in configs)),
    ...(service.ports ?? []).filter((each) => !each.startsWith('127.0.0.1:')).map((each) => `${name} ${each}`),
  ])
  assert.deepEqual(missing, [])
  const files = Object.values(configs).map(({ file }) => join(deploy, file))
  assert.deepEqual(
    files.filter((file) => !existsSync(file)),
    [],
  )
})

test('three brokers know each other, and Kafka is the one that the tests run on', async () => {
  const compose = await readCompose()
  if (compose === undefined) return
  const version = /<artifactId>kafka_2\.13<\/artifactId>\s*<version>([^<]+)/.exec(read('deploy', 'kafka', 'pom.xml'))
  const brokers = Object.entries(compose.services).filter(([name]) => /^kafka-\d$/.test(name))
  assert.equal(brokers.length, 3)
  for (const [name, { image, environment = {} }] of brokers) {
    assert.equal(image, `apache/kafka:${version?.[1]}`)
    const { KAFKA_NODE_ID: id, KAFKA_CONTROLLER_QUORUM_VOTERS: voters } = environment
    assert.ok(String(voters).split(',').includes(`${id}@${name}:9093`))
    assert.match(String(environment['KAFKA_ADVERTISED_LISTENERS']), new RegExp(`^INTERNAL://${name}:9092,`))
  }
})

const table: Readonly<Record<string, Setting<unknown>>> = settingsTable
const variables = new Set(Object.values(table).flatMap(({ environment }) => environment))

/** The lines of the file that make-secrets.sh writes. */
function makeSecrets(): Readonly<Record<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'lonja-secrets-'))
  try {
    const script = join(folder, 'make-secrets.sh')
    copyFileSync(join(deploy, 'make-secrets.sh'), script)
    execFileSync('sh', [script], { stdio: 'pipe' })
    assert.throws(() => execFileSync('sh', [script], { stdio: 'pipe' }), /are here already/)
    assert.equal((statSync(join(folder, '.env')).mode & 0o777).toString(8), '600')
    assert.equal((statSync(join(folder, 'secrets', 'admin-key')).mode & 0o777).toString(8), '600')
    const lines = readFileSync(join(folder, '.env'), 'utf8').trim().split('\n')
    return Object.fromEntries(lines.map((line) => [line.split('=')[0] ?? '', line.slice(line.indexOf('=') + 1)]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('make-secrets.sh makes what compose.yaml asks for, and the program takes both roles with it', async () => {
  const made = makeSecrets()
  const asked = new Set([...read('deploy', 'compose.yaml').matchAll(/\$\{(\w+)/g)].map(([, name = '']) => name))
  assert.deepEqual(new Set(Object.keys(made)), asked)
  assert.match(made['KAFKA_CLUSTER_ID'] ?? '', /^[\w-]{21}[AQgw]$/)
  const roles = parseApiKeys(made['LONJA_API_KEYS'] ?? '').map(({ name, role }) => `${name} ${role}`)
  assert.deepEqual(roles, ['admin admin', 'metrics reader'])
  const compose = await readCompose()
  if (compose === undefined) return
  for (const role of ['api', 'worker']) {
    const service: Service = compose.services[role] ?? {}
    const { environment = {}, command = [] } = service
    assert.deepEqual(
      Object.keys(environment).filter((name) => !variables.has(name)),
      [],
    )
    const filled = Object.entries(environment).map(([name, value]) => [
      name,
      String(value).replaceAll(/\$\{(\w+)[^}]*\}/g, (_, each: string) => made[each] ?? ''),
    ])
    const said: string[] = []
    const sink = { write: (text: string) => said.push(text) > 0 }
    const code = await run({
      argv: ['settings', ...command.slice(1)],
      environment: Object.fromEntries(filled) as Record<string, string>,
      readEnvFile: () => '',
      out: sink,
      err: sink,
    })
    assert.deepEqual([command[0], code], ['serve', 0], said.join(''))
    assert.match(said.join(''), new RegExp(`roles\\s+${role}\\s`))
  }
})

test('the image has the Node of package.json, and gets no file that .dockerignore keeps back', () => {
  const bases = [...dockerfile.matchAll(/^FROM node:([\d.]+)-/gm)].map(([, version]) => version)
  assert.deepEqual(new Set(bases), new Set([metadata.dependencies.node]))
  const lines = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)]
  const copied = new Set(lines.flatMap(([, sources = '']) => sources.split(' ')))
  const allowed = [...read('deploy', 'Dockerfile.dockerignore').matchAll(/^!(.+)$/gm)].map(([, path = '']) => path)
  assert.deepEqual(copied, new Set(allowed))
  assert.deepEqual(
    [...copied].filter((path) => !existsSync(join(projectFolder, path))),
    [],
  )
})

test('what the image runs imports no package that it leaves out', () => {
  const ours = readSources(projectFolder).filter(({ path }) => path.startsWith('src/') && !isTest(path))
  const inImage = ours.filter(({ path }) => areaOf(path).name !== 'testing')
  const imported = inImage.flatMap((source) => importsOf(source).filter(({ typeOnly }) => !typeOnly))
  const packages = imported
    .filter(({ target, specifier }) => target === undefined && !specifier.startsWith('node:'))
    .map(({ specifier }) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? '')
  assert.ok(packages.includes('fastify'))
  assert.deepEqual(
    packages.filter((name) => !(name in metadata.dependencies)),
    [],
  )
})
