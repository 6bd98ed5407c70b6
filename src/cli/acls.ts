// `lonja acls`: what the user of a process needs at the brokers of Kafka, as lines for Kafka's tools, or made at once.
import { chosenOf, servicesWith } from '../app.ts'
import { sentenceOf } from '../platform/kafka/check-kafka.ts'
import { kafkaAddressOf } from '../platform/kafka/kafka-settings.ts'
import { commandOf, grant, rightsOf, type Right } from '../platform/kafka/rights.ts'
import { buildRegistry } from '../platform/runtime/registry.ts'
import { placesWith } from '../platform/store/open-databases.ts'
import { CommandError, EXIT, isSet, noWords, textFlag, UsageError, type Call } from './command.ts'

const DEFAULT_PRINCIPAL = 'User:lonja'

export async function acls(call: Call): Promise<number> {
  noWords(call)
  const { terminal, settings } = call
  const principal = textFlag(call, 'principal') ?? DEFAULT_PRINCIPAL
  if (!/^User:\S+$/.test(principal)) throw new UsageError(`--principal is "${principal}": write User:NAME.`)
  const rights = neededRights(call)
  if (isSet(call, 'apply')) {
    const address = kafkaAddressOf(settings)
    if (address === undefined) throw new UsageError('No Kafka is named: --log kafka://host:9092, or KAFKA_BROKERS.')
    await grant(address, rights, principal).catch((error: unknown) => {
      throw new CommandError(sentenceOf(address, error).message, { cause: error })
    })
  }
  if (isSet(call, 'json')) terminal.json({ principal, rights, applied: isSet(call, 'apply') })
  else for (const right of rights) terminal.line(commandOf(right, principal))
  return EXIT.ok
}

/** Of a process with these settings: its services, and all those whose logs lie in the same databases. */
function neededRights({ settings }: Call): readonly Right[] {
  const services = servicesWith(settings)
  const chosen = chosenOf(settings)
  const names = services.map(({ name }) => name)
  const databases = placesWith(settings, names, chosen).map((place) => place.services)
  return rightsOf(buildRegistry(services), { databases, chosen, groupPrefix: settings.kafkaGroupPrefix })
}
