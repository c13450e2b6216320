// Histograms without their buckets: count, sum, and what the buckets tell of counter resets.
// Specification: Prometheus 3.14, promql/histogram_stats_iterator.go.
// Owns the hints that stand in for the buckets.

import { type Histogram, type HistogramPoint, noBuckets } from './histogram.ts'
import { detectReset } from './reset.ts'

/** The points of a series with count and sum alone; the hints are known from the second on. */
export function statsOf(points: readonly HistogramPoint[]): HistogramPoint[] {
  let previous: Histogram | undefined
  return points.map((point) => {
    const { histogram } = point
    if (histogram === undefined) return point
    let { hint } = histogram
    if (hint === 'unknown' && previous !== undefined) hint = detectReset(histogram, previous) ? 'reset' : 'not_reset'
    previous = histogram
    const { schema, count, sum } = histogram
    const nothing = { zeroThreshold: 0, zeroCount: 0, positive: noBuckets, negative: noBuckets, customBounds: [] }
    // Its start timestamp stays.
    return { ...point, histogram: { hint, schema, count, sum, ...nothing } }
  })
}
