// How many Series calls run at once; more wait, first come first served.
// Metrics are those of Thanos's gate. Owns the count.
import { Gate } from '../kit/gate.ts'
import type { StoreMetrics } from './metrics.ts'

export class SeriesGate {
  readonly #gate: Gate
  readonly #metrics: StoreMetrics

  constructor(maxConcurrent: number, metrics: StoreMetrics) {
    this.#gate = new Gate({ maxRunning: maxConcurrent })
    this.#metrics = metrics
    metrics.queriesMax.set(maxConcurrent)
  }

  /** Waits for a place, yields what the call yields, and gives the place back. Throws `canceled` where the signal ends the wait. */
  async *run<T>(signal: AbortSignal, call: () => AsyncIterable<T>): AsyncGenerator<T> {
    const { gateDuration, queriesInFlight } = this.#metrics
    const arrivedMs = performance.now()
    const leave = await this.#gate.enter(0, signal)
    gateDuration.observe((performance.now() - arrivedMs) / 1000)
    queriesInFlight.inc()
    try {
      yield* call()
    } finally {
      leave()
      queriesInFlight.dec()
    }
  }
}
