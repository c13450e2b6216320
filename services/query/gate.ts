// How many queries run at once: more wait for their turn, first come first served, until their signal.
// Metric names are Thanos's (pkg/gate, thanos_query_concurrent_).
// Owns what is measured; what a query's signal means (timeout, a client that left) is the caller's.
import { Gate } from '../../lib/kit/gate.ts'
import { counter, gauge, histogram, type Registry } from '../../lib/kit/metrics.ts'

const buckets = [0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120, 240, 360, 720]

export class QueryGate {
  readonly #gate: Gate
  readonly #inFlight
  readonly #waiting
  readonly #total
  readonly #waited

  constructor(maxRunning: number, registry: Registry) {
    this.#gate = new Gate({ maxRunning })
    const name = 'thanos_query_concurrent_gate_queries'
    gauge(registry, { name: `${name}_max`, help: 'Maximum number of concurrent queries.' }).set(maxRunning)
    this.#inFlight = gauge(registry, {
      name: `${name}_in_flight`,
      help: 'Number of queries that are currently in flight.',
    })
    this.#waiting = gauge(registry, {
      name: 'mnemo_query_gate_queries_waiting',
      help: 'Number of queries that wait for their turn.',
    })
    this.#total = counter(registry, { name: `${name}_total`, help: 'Total number of queries.' })
    this.#waited = histogram(registry, {
      name: `${name}_duration_seconds`,
      help: 'How many seconds it took for queries to wait at the gate.',
      buckets,
    })
  }

  /** Runs the work when it is its turn; rejects with the signal's reason where that comes first. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const startMs = performance.now()
    this.#total.inc()
    this.#waiting.inc()
    const leave = await this.#gate.enter(0, signal).finally(() => this.#waiting.dec())
    this.#waited.observe((performance.now() - startMs) / 1000)
    this.#inFlight.inc()
    try {
      return await work()
    } finally {
      leave()
      this.#inFlight.dec()
    }
  }
}
