// Sum and average of many histograms, as aggregations and *_over_time take them.
// Specification: Prometheus 3.14, promql/engine.go (aggregation) and promql/functions.go (funcSumOverTime, funcAvgOverTime).
// Owns which hints were seen, and the change to an incremental mean where a sum would overflow.

import type { Histogram } from './histogram.ts'
import { divide } from './scale.ts'
import { HistogramSum } from './sum.ts'

/** What came up while histograms were put together. */
export class Findings {
  /** Exponential and custom buckets: there is no result. */
  incompatible = false
  boundsReconciled = false
  #resetSeen = false
  #notResetSeen = false

  see({ hint }: Histogram): void {
    if (hint === 'reset') this.#resetSeen = true
    else if (hint === 'not_reset') this.#notResetSeen = true
  }

  get hintsCollide(): boolean {
    return this.#resetSeen && this.#notResetSeen
  }
}

/** Sum or average of histograms; ask for the result once. */
export class HistogramTotal {
  readonly findings = new Findings()
  readonly #average: boolean
  #sum: HistogramSum
  #count = 1
  /** The sum would overflow: it is a mean from here on. */
  #incremental = false

  constructor(first: Histogram, { average }: { average: boolean }) {
    this.#average = average
    this.#sum = new HistogramSum(first, { compensated: true })
    this.findings.see(first)
  }

  add(histogram: Histogram): void {
    if (this.findings.incompatible) return
    this.findings.see(histogram)
    this.#count++
    if (!this.#average) this.#note(this.#sum.add(histogram))
    else if (this.#incremental || !this.#addToSum(histogram)) this.#addToMean(histogram)
  }

  result(): Histogram {
    if (this.#average && !this.#incremental) this.#sum.scale((value) => value / this.#count)
    return this.#sum.total()
  }

  /** False, and nothing done, where the sum would overflow. */
  #addToSum(histogram: Histogram): boolean {
    const sum = this.#sum.copy()
    const met = sum.add(histogram)
    this.#note(met)
    if (met.incompatible) return true
    if (!sum.overflows()) {
      this.#sum = sum
      return true
    }
    this.#incremental = true
    const before = this.#count - 1
    this.#sum.scale((value) => value / before)
    return false
  }

  #addToMean(histogram: Histogram): void {
    const share = (this.#count - 1) / this.#count
    this.#sum.scale((value) => value * share)
    this.#note(this.#sum.add(divide(histogram, this.#count)))
  }

  #note({ incompatible, boundsReconciled }: { incompatible: boolean; boundsReconciled: boolean }): void {
    this.findings.incompatible ||= incompatible
    this.findings.boundsReconciled ||= boundsReconciled
  }
}
