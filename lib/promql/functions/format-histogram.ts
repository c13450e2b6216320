// A native histogram as text, the way count_values shows it: {count:10, sum:12.3, [-0.001,0.001]:2, (1,2]:8}.
// Specification: Prometheus 3.14, model/histogram (FloatHistogram.String, Bucket.String).
// Owns the spelling.

import { type Bucket, signedBuckets, zeroBucket } from '../../histogram/buckets.ts'
import type { Histogram } from '../../histogram/histogram.ts'
import { formatG } from './go-format.ts'

/** `formatCount` spells the counts: those of integer histograms have no exponent in a dump. */
export function formatHistogram(h: Histogram, formatCount: (count: number) => string = formatG): string {
  const buckets = [...signedBuckets(h, false).reverse(), zeroBucket(h), ...signedBuckets(h, true)]
  const filled = buckets.filter(({ count }) => count !== 0)
  return `{${[`count:${formatCount(h.count)}`, `sum:${formatG(h.sum)}`, ...filled.map((one) => formatBucket(one, formatCount))].join(', ')}}`
}

function formatBucket(bucket: Bucket, formatCount: (count: number) => string): string {
  const { lower, upper, lowerInclusive, upperInclusive, count } = bucket
  const [open, close] = [lowerInclusive ? '[' : '(', upperInclusive ? ']' : ')']
  return `${open}${formatG(lower)},${formatG(upper)}${close}:${formatCount(count)}`
}
