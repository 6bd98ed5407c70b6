// The page of the settings: every setting with its flag, its variables, its default and its meaning.
import type { Setting } from '../../src/platform/settings/parsers.ts'
import { settingsTable } from '../../src/platform/settings/table.ts'
import { code, codes, page, table } from './markdown.ts'

export function settingsPage(): string {
  const rows = Object.entries<Setting<unknown>>(settingsTable).map(([name, setting]) => [
    code(name),
    setting.flag === undefined ? '' : code(`--${setting.flag}`),
    codes(setting.environment),
    code(setting.fallback),
    `${setting.description}${setting.secret === undefined ? '' : ' Secret: never shown in full.'}`,
  ])
  return page(
    'Settings',
    'Generated from the table of settings by `npm run reference`. Flags win over the environment, the ' +
      'environment over the file `.env` in the working folder, and that over the default. `lonja settings` ' +
      'shows the values in force with their source; a value that does not fit ends the start with a sentence ' +
      'that says what to write instead.',
    [
      table(['Setting', 'Flag', 'Variables', 'Default', 'Meaning'], rows),
      '`STORE_URL_<SERVICE>` (such as `STORE_URL_ANALYTICS`) gives one service a database of its own. A ' +
        'variable that begins with `LONJA_` and means nothing is told at the start.',
    ],
  )
}
