// How many samples a query looks at, by step: `stats` of the HTTP API.
// Specification: Prometheus 3.14, util/stats/query_stats.go and promql/engine.go: a window counts each of its samples at each step;
// read are those that no earlier step has seen. Histograms weigh as they do among a query's samples.
// Owns the counting; a query whose stats nobody asks for has none.

import { type Histogram, type HistogramPoint, sampleWeight } from '../../histogram/histogram.ts'
import type { Kernels, Row, SampleColumns, Steps } from '../../kernels/kernels.ts'
import type { Extended } from '../plan/extended.ts'

interface SeriesSamples {
  readonly columns: SampleColumns
  readonly histograms: readonly HistogramPoint[]
}

/** The windows of a series: they end at the reference times, one a step, or one for all. */
export interface CountedWindows {
  readonly reference: Steps
  readonly rangeMs: number
  readonly extended: Extended | undefined
  readonly lookbackMs: number
  /** Its samples were counted when they were read. */
  readonly isSubquery: boolean
}

export class SampleStats {
  readonly steps: Steps
  readonly total: Float64Array
  readonly read: Float64Array

  constructor(steps: Steps) {
    this.steps = steps
    this.total = new Float64Array(steps.count)
    this.read = new Float64Array(steps.count)
  }

  /** Samples that a step looks at, and is the first to. */
  add(step: number, samples: number): void {
    this.total[step]! += samples
    this.read[step]! += samples
  }

  /** One sample of a series at each step that has one. */
  addLast(present: Uint8Array, histograms: readonly (Histogram | undefined)[] | undefined): void {
    present.forEach((one, i) => {
      if (one === 1) this.add(i, 1)
    })
    histograms?.forEach((histogram, i) => {
      if (histogram !== undefined) this.add(i, sampleWeight(histogram))
    })
  }

  /** What was evaluated once counts at every step, and was read for the first. */
  addInvariant(once: SampleStats): void {
    const total = sum(once.total)
    for (let i = 0; i < this.total.length; i++) this.total[i]! += total
    if (this.read.length > 0) this.read[0]! += sum(once.read)
  }

  /** A subquery that is an answer by itself. */
  addBareSubquery(inner: SampleStats): void {
    this.total[this.total.length - 1]! += sum(inner.total)
    this.read[0]! += sum(inner.read)
  }

  /** What a subquery has read, at the first step whose window shows it; its samples count again in those windows. */
  addSubquery(inner: SampleStats, { offsetMs, rangeMs }: { offsetMs: number; rangeMs: number }): void {
    const { startMs, stepMs, count } = this.steps
    inner.read.forEach((samples, k) => {
      if (samples === 0) return
      const timeMs = inner.steps.startMs + k * inner.steps.stepMs + offsetMs
      const step = Math.min(Math.max(0, Math.ceil((timeMs - startMs) / stepMs)), count - 1)
      if (count === 1 || timeMs > startMs + step * stepMs - rangeMs) this.read[step]! += samples
    })
  }

  /** A series' windows; the row is overwritten. */
  addWindows(series: SeriesSamples, windows: CountedWindows, { kernels, row }: { kernels: Kernels; row: Row }): void {
    const { reference, extended, lookbackMs } = windows
    const [before, after] = [extended ? lookbackMs : 0, extended === 'smoothed' ? lookbackMs : 0]
    const wide = windows.rangeMs + before + after
    const ends = { ...reference, startMs: reference.startMs + after }
    const counts = windowCounts(series, { ends, rangeMs: wide }, { kernels, row })
    const { count, stepMs } = this.steps
    for (let i = 0; i < count; i++) this.total[i]! += counts[reference.count === 1 ? 0 : i]!
    if (windows.isSubquery || count === 0) return
    this.read[0]! += counts[0]!
    if (reference.count === 1) return
    const fresh = windowCounts(series, { ends, rangeMs: Math.min(wide, stepMs) }, { kernels, row })
    for (let i = 1; i < count; i++) this.read[i]! += fresh[i]!
  }
}

function windowCounts(
  { columns, histograms }: SeriesSamples,
  { ends, rangeMs }: { ends: Steps; rangeMs: number },
  { kernels, row }: { kernels: Kernels; row: Row },
): Float64Array {
  kernels.window('count_over_time', columns, ends, rangeMs, [], row)
  const present = kernels.u8(row.presentPtr, ends.count)
  const counts = kernels.f64(row.valuesPtr, ends.count).map((value, i) => (present[i] === 1 ? value : 0))
  for (const { timeMs, histogram } of histograms) {
    if (histogram === undefined) continue
    for (let i = 0; i < counts.length; i++) {
      const endMs = ends.startMs + i * ends.stepMs
      if (timeMs > endMs - rangeMs && timeMs <= endMs) counts[i]! += sampleWeight(histogram)
    }
  }
  return counts
}

function sum(values: Float64Array): number {
  return values.reduce((a, b) => a + b, 0)
}
