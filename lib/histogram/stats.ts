// Histograms without their buckets: count, sum, and what the buckets tell of counter resets.
// Specification: Prometheus 3.14, promql/histogram_stats_iterator.go, storage/buffer.go (Seek).
// Owns the hints that stand in for the buckets.

import { type Histogram, type HistogramPoint, noBuckets } from './histogram.ts'
import { detectReset } from './reset.ts'

/** The windows that a series is read through, one after the other. */
export interface ReadWindows {
  /** Ends of the windows, ms. */
  readonly startMs: number
  readonly stepMs: number
  readonly count: number
  readonly rangeMs: number
}

/** The points of a series with count and sum alone; hints are known where the point before was read on the way. */
export function statsOf(points: readonly HistogramPoint[], windows: ReadWindows): HistogramPoint[] {
  let previous: Histogram | undefined
  return points.map((point) => {
    const { histogram, timeMs } = point
    const before = previous
    previous = leadsOn(timeMs, windows) ? (histogram ?? before) : undefined
    // Its start timestamp stays.
    return histogram === undefined ? point : { ...point, histogram: withoutBuckets(histogram, before) }
  })
}

function withoutBuckets(histogram: Histogram, previous: Histogram | undefined): Histogram {
  let { hint } = histogram
  if (hint === 'unknown' && previous !== undefined) hint = detectReset(histogram, previous) ? 'reset' : 'not_reset'
  const { schema, count, sum } = histogram
  const nothing = { zeroThreshold: 0, zeroCount: 0, positive: noBuckets, negative: noBuckets, customBounds: [] }
  return { hint, schema, count, sum, ...nothing }
}

/** Whether the sample after one of this time is reached step by step; else it is sought, and those between are not read. */
function leadsOn(timeMs: number, { startMs, stepMs, count, rangeMs }: ReadWindows): boolean {
  const next = Math.max(0, Math.floor((timeMs - startMs) / stepMs) + 1)
  const fromMs = startMs + next * stepMs - rangeMs
  // Windows are open at their left, but what is sought may lie right there; nothing is read before the first one.
  return next < count && (next === 0 ? timeMs > fromMs : timeMs >= fromMs)
}
