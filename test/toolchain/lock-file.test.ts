// Proves that the lock file serves every platform and every registry, and that versions are pinned.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const projectFolder = join(import.meta.dirname, '..', '..')
const lock = JSON.parse(readFileSync(join(projectFolder, 'package-lock.json'), 'utf8')) as {
  readonly packages: Readonly<Record<string, Locked>>
}

/** Packages whose platform a lock file must name, or `npm ci` refuses it on that platform. */
function missingPlatforms(packages: Readonly<Record<string, Locked>>): readonly string[] {
  return Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) => {
    const nested = path === '' ? 'node_modules/' : `${path}/node_modules/`
    const names = Object.keys(optionalDependencies)
    return names.filter((name) => !(`node_modules/${name}` in packages) && !(`${nested}${name}` in packages))
  })
}

const addressed = (packages: Readonly<Record<string, Locked>>): readonly string[] =>
  Object.keys(packages).filter((path) => packages[path]?.resolved !== undefined)

test('the lock file names the packages of every platform', () => {
  assert.deepEqual(missingPlatforms(lock.packages), [])
  assert.deepEqual(missingPlatforms({ '': { optionalDependencies: { absent: '1.0.0' } } }), ['absent'])
})

test('the lock file names no addresses, so it works with any registry', () => {
  assert.deepEqual(addressed(lock.packages), [])
  assert.deepEqual(addressed({ 'node_modules/a': { resolved: 'somewhere' } }), ['node_modules/a'])
})

test('each package in the lock file has a checksum', () => {
  const bare = Object.keys(lock.packages).filter((path) => path !== '' && lock.packages[path]?.integrity === undefined)
  assert.deepEqual(bare, [])
})

test('each dependency is pinned to one version', () => {
  const { dependencies, devDependencies, optionalDependencies } = lock.packages[''] ?? {}
  const all = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
  const loose = all.filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
  assert.ok(all.length > 0)
  assert.deepEqual(loose, [])
})
