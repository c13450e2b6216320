// Metrics of gRPC calls that a server handles: grpc_server_started_total, grpc_server_handled_total, grpc_server_handling_seconds.
// Names, labels and buckets are those of grpc-ecosystem's Go middleware as Thanos sets it up.
// Owns the interceptor; it sees starts and statuses, never messages.
import {
  type MethodDefinition,
  type Responder,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
  status,
} from '@grpc/grpc-js'
import type { GrpcService } from './grpc-service.ts'
import { counter, histogram, type Registry } from './metrics.ts'

/** What tells calls apart, on either side. */
export const callLabelNames = ['grpc_type', 'grpc_service', 'grpc_method'] as const
export type CallLabels = Readonly<Record<(typeof callLabelNames)[number], string>>
/** Seconds. */
export const callBuckets = [0.001, 0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120]

type Kind = Pick<MethodDefinition<never, never>, 'path' | 'requestStream' | 'responseStream'>

/** An interceptor that counts and times each call; series of the services' methods are there from the start. */
export function measureCalls(registry: Registry, services: readonly GrpcService[]): ServerInterceptor {
  const started = counter(registry, {
    name: 'grpc_server_started_total',
    help: 'Total number of RPCs started on the server.',
    labelNames: callLabelNames,
  })
  const handled = counter(registry, {
    name: 'grpc_server_handled_total',
    help: 'Total number of RPCs completed on the server, regardless of success or failure.',
    labelNames: [...callLabelNames, 'grpc_code'],
  })
  const duration = histogram(registry, {
    name: 'grpc_server_handling_seconds',
    help: 'Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.',
    labelNames: callLabelNames,
    buckets: callBuckets,
  })
  for (const method of services.flatMap(({ definition }) => Object.values(definition)))
    handled.inc({ ...callLabels(method), grpc_code: 'OK' }, 0)

  return (method, call) => {
    const labels = callLabels(method)
    const startMs = performance.now()
    started.inc(labels)
    let ended = false
    const end = (code: number) => {
      if (ended) return
      ended = true
      handled.inc({ ...labels, grpc_code: nameOfCode(code) })
      duration.observe(labels, (performance.now() - startMs) / 1000)
    }
    const listener = new ServerListenerBuilder().withOnCancel(() => end(status.CANCELLED)).build()
    const responder: Responder = new ResponderBuilder()
      .withStart((next) => next(listener))
      .withSendStatus((sent, next) => {
        end(sent.code ?? status.UNKNOWN)
        next(sent)
      })
      .build()
    return new ServerInterceptingCall(call, responder)
  }
}

/** A method's labels. */
export function callLabels(method: Kind): CallLabels {
  const [, service, name] = method.path.split('/')
  const type = `${method.requestStream ? 'client_' : ''}${method.responseStream ? 'server_' : ''}`
  return {
    grpc_type: type === '' ? 'unary' : type === 'client_server_' ? 'bidi_stream' : `${type}stream`,
    grpc_service: service ?? '',
    grpc_method: name ?? '',
  }
}

/** Go's spelling of a status: OK, Canceled, DeadlineExceeded. */
export function nameOfCode(code: number): string {
  if (code === status.OK) return 'OK'
  if (code === status.CANCELLED) return 'Canceled'
  const words = (status[code] ?? 'UNKNOWN').toLowerCase().split('_')
  return words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')
}
