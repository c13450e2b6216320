// Metrics of gRPC calls that a client makes: grpc_client_started_total, grpc_client_handled_total, grpc_client_handling_seconds.
// Names, labels and buckets are those of grpc-ecosystem's Go middleware as Thanos sets it up.
// Owns the interceptor and the way of what worker threads count to the thread that has the registry.
import { BroadcastChannel } from 'node:worker_threads'
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js'
import { type CallLabels, callBuckets, callLabelNames, callLabels, nameOfCode } from './grpc-metrics.ts'
import { counter, histogram, type Registry } from './metrics.ts'

/** Told of each call's start, and of its end with its status and how long it took. */
export interface ClientCallObserver {
  started(labels: CallLabels): void
  handled(labels: CallLabels, code: string, seconds: number): void
}

/** An interceptor for clients whose calls are to be counted. */
export function observeClientCalls(observer: ClientCallObserver): Interceptor {
  return (options, nextCall) => {
    const labels = callLabels(options.method_definition)
    return new InterceptingCall(nextCall(options), {
      start(metadata, _listener, next) {
        const startMs = performance.now()
        observer.started(labels)
        next(metadata, {
          onReceiveStatus(status, nextStatus) {
            observer.handled(labels, nameOfCode(status.code), (performance.now() - startMs) / 1000)
            nextStatus(status)
          },
        })
      },
    })
  }
}

/** An observer that counts in the registry, what worker threads report besides. */
export function clientCallMetrics(registry: Registry): ClientCallObserver & { close(): void } {
  const started = counter(registry, {
    name: 'grpc_client_started_total',
    help: 'Total number of RPCs started on the client.',
    labelNames: callLabelNames,
  })
  const handled = counter(registry, {
    name: 'grpc_client_handled_total',
    help: 'Total number of RPCs completed by the client, regardless of success or failure.',
    labelNames: [...callLabelNames, 'grpc_code'],
  })
  const duration = histogram(registry, {
    name: 'grpc_client_handling_seconds',
    help: 'Histogram of response latency (seconds) of the gRPC until it is finished by the application.',
    labelNames: callLabelNames,
    buckets: callBuckets,
  })
  const observer: ClientCallObserver = {
    started: (labels) => started.inc({ ...labels }),
    handled(labels, code, seconds) {
      handled.inc({ ...labels, grpc_code: code })
      duration.observe({ ...labels }, seconds)
    },
  }
  const channel = openChannel()
  channel.onmessage = (event) => {
    for (const { labels, code, seconds } of (event as { data: readonly Report[] }).data)
      if (code === undefined) observer.started(labels)
      else observer.handled(labels, code, seconds)
  }
  return { ...observer, close: () => channel.close() }
}

/** In a worker thread: an observer that reports to clientCallMetrics(). */
export function reportClientCalls(): ClientCallObserver {
  const channel = openChannel()
  let reports: Report[] = []
  // A message to another thread takes as long as a small query's parsing.
  const send = () => {
    channel.postMessage(reports)
    reports = []
  }
  const report = (one: Report): void => {
    if (reports.push(one) === 1) setTimeout(send, reportAfterMs).unref()
  }
  return {
    started: (labels) => report({ labels, code: undefined, seconds: 0 }),
    handled: (labels, code, seconds) => report({ labels, code, seconds }),
  }
}

const reportAfterMs = 200

/** A call's start, or with a code its end. */
interface Report {
  readonly labels: CallLabels
  readonly code: string | undefined
  readonly seconds: number
}

/** Of this process's threads. It does not keep a thread alive. */
function openChannel(): BroadcastChannel {
  const channel = new BroadcastChannel('mnemo-grpc-client-calls')
  channel.unref()
  return channel
}
