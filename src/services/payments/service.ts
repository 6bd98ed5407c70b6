// Payments at a glance: one capture an order, given back in whole or in part, through a gateway that may lose answers.
import { service } from '../../kernel/service.ts'
import { capturePayment, takeManualPayment } from './capture-payment.ts'
import * as contract from './contract.ts'
import { domainEvents } from './feeds/domain-events.feed.ts'
import { takeCaptureAnswer, takeRefundAnswer } from './gateway-answers.ts'
import { payment } from './payment.ts'
import { refundPayment } from './refund-payment.ts'
import { refundReturn, returnRefund } from './refund-return.ts'
import { readPayment } from './routes.ts'

export const payments = service({
  name: 'payments',
  summary: 'One capture an order, also when several payments make it up; refunds in whole or in part.',
  contract: contract.paymentsContract,
  codes: contract.paymentsCodes,
  publishes: [
    contract.PaymentCaptured,
    contract.PaymentDeclined,
    contract.PaymentRefunded,
    contract.ReturnRefunded,
    contract.ReturnRefundRefused,
  ],
  entities: [payment, returnRefund],
  handlers: [capturePayment, takeManualPayment, refundPayment, refundReturn],
  answers: [takeCaptureAnswer, takeRefundAnswer],
  feeds: [domainEvents],
  routes: [readPayment],
})
