// What a bench says: figures with their runs, goals, and the difference to what was last recorded.
import { tableOf } from '../../src/cli/terminal.ts'
import { differenceTo, type Baseline } from './baseline.ts'
import { median, shown, type Figure, type Report } from './figures.ts'

export function reportLines({ figures, notes }: Report, recorded: Baseline | undefined): readonly string[] {
  const header = ['figure', 'median', 'unit', 'lowest to highest', 'goal', 'to the recorded one', 'foreign cores']
  const rows = figures.map((figure) => {
    const { name, unit, values, foreign = [] } = figure
    return [
      name,
      shown(median(values)),
      unit,
      values.length > 1 ? `${shown(Math.min(...values))} to ${shown(Math.max(...values))}` : '',
      goalOf(figure),
      differenceTo(recorded, figure),
      foreign.map((cores) => cores.toFixed(1)).join(' '),
    ]
  })
  return [...tableOf([header, ...rows]), ...notes]
}

function goalOf({ goal, values }: Figure): string {
  if (goal === undefined) return ''
  const value = median(values)
  const isReached = 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost
  const text = 'atLeast' in goal ? `>= ${shown(goal.atLeast)}` : `<= ${shown(goal.atMost)}`
  return `${text} ${isReached ? 'reached' : 'MISSED'}`
}
