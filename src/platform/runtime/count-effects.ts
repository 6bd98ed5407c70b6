// Counts the requests to the outside that wait for their answer, by effect, in all databases of an application.
import type { Lonja } from './lonja.ts'

/** Every effect with its number; the rows of those that are answered are gone, so the tables are small. */
export async function countOpenEffects({ registry, runtimes }: Lonja): Promise<Readonly<Record<string, number>>> {
  const open: Record<string, number> = Object.fromEntries([...registry.effects.keys()].map((name) => [name, 0]))
  const services = new Set([...registry.effects.values()].map(({ service }) => service))
  for (const { options } of runtimes) {
    for (const service of options.hosted.filter((name) => services.has(name))) {
      const rows = await options.store.query<{ readonly effect: string; readonly open: number }>(
        `SELECT effect, COUNT(*) AS open FROM ${options.store.tableName(service, 'effects')} GROUP BY effect`,
      )
      for (const row of rows) open[row.effect] = (open[row.effect] ?? 0) + row.open
    }
  }
  return open
}
