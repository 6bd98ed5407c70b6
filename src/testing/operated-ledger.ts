// The toy ledger with trouble behind the real HTTP server, for those who operate it: each role with its own key.
import { createServer } from '../platform/http/server.ts'
import { withOperations } from '../platform/operations/service.ts'
import { createLogger } from '../platform/telemetry/logger.ts'
import { createMetrics } from '../platform/telemetry/metrics.ts'
import type { Role } from '../kernel/route.ts'
import type { Caller } from './shop-calls.ts'
import { callerOver, inMemory, roleKeys } from './shop-calls.ts'
import type { TroubledOptions } from './troubled-ledger.ts'
import { startTroubledLedger } from './troubled-ledger.ts'

const STOP_LIMIT_MS = 5000

export interface OperatedOptions extends TroubledOptions {
  readonly editsNeedApproval?: boolean
  /** Also over a real port, at `url`. */
  readonly listens?: boolean
}

export async function startOperatedLedger(options: OperatedOptions = {}) {
  const { editsNeedApproval = false, listens = false } = options
  const ledger = await startTroubledLedger(options)
  const server = await createServer({
    application: withOperations(ledger.lonja, { editsNeedApproval }),
    settings: {
      host: '127.0.0.1',
      port: 0,
      corsOrigins: [],
      apiKeys: roleKeys,
      stopLimitMs: STOP_LIMIT_MS,
      checkAnswers: true,
    },
    telemetry: { log: createLogger({ level: 'silent', format: 'json' }), metrics: createMetrics() },
  })
  const as = (role: Role | undefined): Caller => callerOver(inMemory(server.inject), role)
  return {
    ...ledger,
    url: listens ? await server.listen() : '',
    as,
    operator: as('operator'),
    stop: async () => {
      await server.close()
      await ledger.stop()
    },
  }
}
