// A Queryable with one native histogram: a series of a bucket and a sample.

import { Readable } from 'node:stream'
import { type Histogram, noBuckets } from '../../lib/histogram/histogram.ts'
import { labelsOf } from '../../lib/labels/labels.ts'
import type { Queryable, Series } from '../../lib/promql/queryable.ts'

/** Whatever is selected is `x`, at that time. */
export function histogramAt(timeMs: number): Queryable {
  const positive = { indexes: [0], counts: [1] }
  const nothing = { zeroThreshold: 0, zeroCount: 0, negative: noBuckets, customBounds: [] }
  const histogram: Histogram = { hint: 'unknown', schema: 0, count: 1, sum: 1, positive, ...nothing }
  const labels = labelsOf({ __name__: 'x' })
  const series: Series = { labels, read: (_, points) => points.push({ timeMs, histogram }) }
  return { select: () => ({ batches: Readable.from([[series]]), warnings: [] }) }
}
