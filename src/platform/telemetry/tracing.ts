// Traces through OpenTelemetry: a span for each request, and for each record and outside call that it led to.
import type * as OpenTelemetry from '@opentelemetry/api'
import type { Context, Span, SpanContext, Tracer } from '@opentelemetry/api'
import type { LogRecord } from '../log/record.ts'
import { positionOf } from '../log/record.ts'
import type { AnswerInput } from '../runtime/inputs.ts'
import type { Observer } from '../runtime/observer.ts'
import type { Round } from '../runtime/round.ts'

export interface RequestSpan {
  /** What the records that the request leads to carry on; undefined where nobody traces it. */
  readonly traceparent: string | undefined
  end(route: string, status: number): void
}

export interface Tracing {
  /** @param traceparent the caller's (W3C Trace Context), which also says whether he traces. */
  begin(method: string, traceparent: string | undefined): RequestSpan
  /** Tells of records and calls after their commit. */
  observing(observer: Observer): Observer
  /** Sends what is left. */
  stop(): Promise<void>
}

export interface TracingOptions {
  /** Where OTLP over HTTP is taken, such as `http://localhost:4318`. */
  readonly endpoint: string
  /** Of requests whose caller traces nothing, from 0 to 1; his own choice is kept. */
  readonly share: number
  readonly version: string
}

const SAMPLED = 1
const SERVER_FAULT = 500

/** Loads OpenTelemetry, some 10 MB and 100 ms, which nobody pays for who does not trace. */
export async function openTracing({ endpoint, share, version }: TracingOptions): Promise<Tracing> {
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ])
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` })
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'lonja', 'service.version': version }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(share) }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter })],
  })
  const spans = new Spans(api, provider.getTracer('lonja', version))
  return {
    begin: (method, traceparent) => spans.begin(method, traceparent),
    observing: (observer) => ({
      ...observer,
      committed(round, durationMs) {
        spans.tell(round, round.startedAt + durationMs)
        observer.committed(round, durationMs)
      },
    }),
    stop: () => provider.shutdown(),
  }
}

class Spans {
  readonly #api: typeof OpenTelemetry
  readonly #tracer: Tracer

  constructor(api: typeof OpenTelemetry, tracer: Tracer) {
    this.#api = api
    this.#tracer = tracer
  }

  begin(method: string, traceparent: string | undefined): RequestSpan {
    const { SpanKind, SpanStatusCode } = this.#api
    const span = this.#tracer.startSpan(method, { kind: SpanKind.SERVER }, this.#under(traceparent))
    return {
      traceparent: span.isRecording() ? traceparentOf(span) : traceparent,
      end(route, status) {
        span.updateName(`${method} ${route}`)
        const request = { 'http.request.method': method, 'http.route': route }
        span.setAttributes({ ...request, 'http.response.status_code': status })
        if (status >= SERVER_FAULT) span.setStatus({ code: SpanStatusCode.ERROR })
        span.end()
      },
    }
  }

  tell({ outbox, taken }: Round, now: number): void {
    for (const { records } of outbox.fresh.values()) {
      for (const record of records) if (isTraced(record)) this.#tellRecord(record, now)
    }
    for (const input of taken) if (isTraced(input.row)) this.#tellCall(input, now)
  }

  #tellRecord(record: LogRecord, endTime: number): void {
    const { source, type, topic, partition, appendedAt: startTime, correlation, traceparent } = record
    const attributes = {
      'messaging.system': 'lonja',
      'messaging.destination.name': topic,
      'messaging.destination.partition.id': String(partition),
      'messaging.message.id': positionOf(record),
      'messaging.message.conversation_id': correlation,
    }
    const options = { kind: this.#api.SpanKind.PRODUCER, startTime, attributes }
    this.#tracer.startSpan(`${source} ${type}`, options, this.#under(traceparent)).end(endTime)
  }

  #tellCall({ row, answer }: AnswerInput, endTime: number): void {
    const { SpanKind, SpanStatusCode } = this.#api
    const { service, effect, correlation, createdAt: startTime, traceparent } = row
    const attributes = { 'lonja.attempts': answer.attempts, 'messaging.message.conversation_id': correlation }
    const options = { kind: SpanKind.CLIENT, startTime, attributes }
    const span = this.#tracer.startSpan(`${service} ${effect}`, options, this.#under(traceparent))
    if (answer.outcome === 'gave-up') span.setStatus({ code: SpanStatusCode.ERROR })
    span.end(endTime)
  }

  #under(traceparent: string | undefined): Context {
    const { ROOT_CONTEXT, trace } = this.#api
    return traceparent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContextOf(traceparent))
  }
}

function isTraced({ traceparent }: { readonly traceparent: string | undefined }): boolean {
  return traceparent !== undefined && (spanContextOf(traceparent).traceFlags & SAMPLED) === SAMPLED
}

/** @param traceparent one that was checked at the door. */
function spanContextOf(traceparent: string): SpanContext {
  const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-')
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
}

function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext()
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
}
