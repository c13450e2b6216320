// Metrics of gRPC calls that a client makes: grpc_client_started_total, grpc_client_handled_total, grpc_client_handling_seconds.
// Names, labels and buckets are those of grpc-ecosystem's Go middleware as Thanos sets it up.
// Owns the interceptor, and the form in which worker threads tell the thread that has the registry what they count.
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

/** An observer that counts in the registry, and what worker threads report. */
export function clientCallMetrics(
  registry: Registry,
): ClientCallObserver & { replay(reports: ClientCallReports): void } {
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
  return {
    ...observer,
    replay(reports) {
      for (const { labels, code, seconds } of reports)
        if (code === undefined) observer.started(labels)
        else observer.handled(labels, code, seconds)
    },
  }
}

/** In a worker thread: an observer that sends what clientCallMetrics() replays. */
export function reportClientCalls(sendReports: (reports: ClientCallReports) => void): ClientCallObserver {
  let reports: Report[] = []
  // A message to another thread takes as long as a small query's parsing.
  const send = () => {
    sendReports(reports)
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

/** Structured-cloneable. */
export type ClientCallReports = readonly Report[]
