// Faults of Kafka: its broker killed, or stopped for longer than a call may take, while orders go on.
import type { Scene, Strike } from './scene.ts'

const ORDERS_LATER = 30
/** Orders that are taken while nobody takes their records: enough that a backlog lies there. */
const ORDERS_WITHOUT = 60

/** Orders of one database settle without Kafka; what was appended meanwhile comes when it is back. */
export async function loseBroker({ fleet: { kafka }, load, roll }: Scene): Promise<Strike> {
  const isKilled = roll() < 0.5
  await load.more(1 + Math.floor(roll() * ORDERS_LATER))
  if (isKilled) await kafka?.kill()
  else await kafka?.freeze()
  await load.more(ORDERS_WITHOUT)
  if (isKilled) await kafka?.restart()
  else await kafka?.thaw()
  return { endedAtMs: performance.now(), kills: 0, openCommits: 0 }
}
