// How many queries run at once: more wait for their turn, first come first served, until their signal.
// Metric names are Thanos's (pkg/gate, thanos_query_concurrent_).
// Owns the queue; what a query's signal means (timeout, a client that left) is the caller's.
import { counter, gauge, histogram, type Registry } from '../../lib/kit/metrics.ts'

const buckets = [0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120, 240, 360, 720]

/** A bound on what runs at once. */
export class Gate {
  readonly #max: number
  readonly #waiting: (() => void)[] = []
  #running = 0
  readonly #inFlight
  readonly #waitingGauge
  readonly #total
  readonly #waited

  constructor(max: number, registry: Registry) {
    this.#max = max
    const name = 'thanos_query_concurrent_gate_queries'
    gauge(registry, { name: `${name}_max`, help: 'Maximum number of concurrent queries.' }).set(max)
    this.#inFlight = gauge(registry, {
      name: `${name}_in_flight`,
      help: 'Number of queries that are currently in flight.',
    })
    this.#waitingGauge = gauge(registry, {
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
    await this.#enter(signal)
    this.#waited.observe((performance.now() - startMs) / 1000)
    this.#inFlight.set(this.#running)
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#running < this.#max) {
      this.#running++
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = () => {
      const at = this.#waiting.indexOf(resolve)
      if (at >= 0) this.#waiting.splice(at, 1)
      this.#waitingGauge.set(this.#waiting.length)
      reject(signal.reason)
    }
    this.#waiting.push(resolve)
    this.#waitingGauge.set(this.#waiting.length)
    signal.addEventListener('abort', onAbort, { once: true })
    // Once it is its turn, `resolve` has left the queue and the place is already counted.
    await promise.finally(() => signal.removeEventListener('abort', onAbort))
  }

  #leave(): void {
    const next = this.#waiting.shift()
    this.#waitingGauge.set(this.#waiting.length)
    if (next) next()
    else this.#running--
    this.#inFlight.set(this.#running)
  }
}
