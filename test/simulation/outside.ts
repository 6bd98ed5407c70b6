// Other people's systems, which outlive every node: the shipped simulators, each call through the node's gate.
import type { Mailer } from '../../src/services/notifications/adapters/mailer.ts'
import { mailSink } from '../../src/services/notifications/adapters/sink.ts'
import type { PaymentGateway } from '../../src/services/payments/adapters/gateway.ts'
import type { SimulatedGateway } from '../../src/services/payments/adapters/simulator.ts'
import { simulatedGateway } from '../../src/services/payments/adapters/simulator.ts'
import type { Carrier } from '../../src/services/shipping/adapters/carrier.ts'
import type { SimulatedCarrier } from '../../src/services/shipping/adapters/simulator.ts'
import { simulatedCarrier } from '../../src/services/shipping/adapters/simulator.ts'
import type { Gate, NodeLife } from './ports.ts'
import type { RareCounts } from './rare.ts'
import type { SeededRandom } from './random.ts'
import type { World } from './world.ts'
import { newLife } from './world.ts'

export interface Outside {
  readonly gateway: SimulatedGateway
  readonly carrier: SimulatedCarrier
  readonly mailer: Mailer
  /** Captures that are under way, by order. */
  readonly capturing: Map<string, number>
}

export interface OutsideOptions {
  readonly world: World
  readonly random: SeededRandom
  readonly rare: RareCounts
  readonly mailFailureRate: number
}

/** Opens them for one history. */
export function openOutside({ world, random, rare, mailFailureRate }: OutsideOptions): Outside {
  const clock = world.clockOf(newLife('outside'))
  const sink = mailSink({ failureRate: mailFailureRate, random: () => random.fraction() })
  const mailer: Mailer = {
    send: async (mail, call) => {
      try {
        await sink.send(mail, call)
      } catch (error) {
        rare.hit('mail not taken')
        throw error
      }
    },
  }
  return { gateway: simulatedGateway({ clock }), carrier: simulatedCarrier({ clock }), mailer, capturing: new Map() }
}

export interface AdapterOptions {
  readonly outside: Outside
  readonly gate: Gate
  readonly life: NodeLife
  readonly rare: RareCounts
}

/** The adapters of one node. */
export function adaptersOf(options: AdapterOptions): { gateway: PaymentGateway; carrier: Carrier; mailer: Mailer } {
  const { outside, gate, life, rare } = options
  const { gateway, carrier, mailer } = outside
  const asked = <Result>(found: Promise<Result>): Promise<Result> => {
    rare.hit('gateway asked what became of it')
    return found
  }
  return {
    gateway: {
      capture: (request, call) =>
        gate.call(life, 'gateway', () => underWay(outside, request.orderId, () => gateway.capture(request, call))),
      refund: (request, call) => gate.call(life, 'gateway', () => gateway.refund(request, call)),
      findCapture: (request, call) => gate.call(life, 'gateway', () => asked(gateway.findCapture(request, call))),
      findRefund: (request, call) => gate.call(life, 'gateway', () => asked(gateway.findRefund(request, call))),
    },
    carrier: {
      book: (request, call) => gate.call(life, 'carrier', () => carrier.book(request, call)),
      cancel: (request, call) => gate.call(life, 'carrier', () => carrier.cancel(request, call)),
      findBooking: (request, call) => gate.call(life, 'carrier', () => carrier.findBooking(request, call)),
      findCancellation: (request, call) => gate.call(life, 'carrier', () => carrier.findCancellation(request, call)),
    },
    mailer: { send: (mail, call) => gate.call(life, 'mailer', () => mailer.send(mail, call)) },
  }
}

async function underWay<Result>({ capturing }: Outside, orderId: string, work: () => Promise<Result>): Promise<Result> {
  capturing.set(orderId, (capturing.get(orderId) ?? 0) + 1)
  try {
    return await work()
  } finally {
    capturing.set(orderId, (capturing.get(orderId) ?? 1) - 1)
  }
}
