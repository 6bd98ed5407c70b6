// `lonja settings`: every setting with its value, where that comes from, and how to give another.
import { EXIT, isSet, noWords, type Call } from './command.ts'
import { tableOf } from './terminal.ts'

export async function settings(call: Call): Promise<number> {
  noWords(call)
  const { list, terminal } = call
  if (isSet(call, 'json')) {
    terminal.json(Object.fromEntries(list.map(({ name, flag = null, ...rest }) => [name, { flag, ...rest }])))
    return EXIT.ok
  }
  const rows = list.map(({ name, flag, environment, value, source, description }) => [
    name,
    value === '' ? '-' : value,
    source,
    flag === undefined ? '-' : `--${flag}`,
    environment[0] ?? '-',
    description,
  ])
  const heading = ['SETTING', 'VALUE', 'SOURCE', 'FLAG', 'VARIABLE', 'MEANING']
  for (const line of tableOf([heading, ...rows])) terminal.line(line)
  return EXIT.ok
}
