// Native histograms in answers: {"count":"42","sum":"3.5","buckets":[[0,"0.25","0.5","12"],…]}, empty buckets left out.
// Format: Prometheus 3.14, util/jsonutil/marshal.go (MarshalHistogram).
// Owns the number that tells which of a bucket's bounds belong to it.

import { allBuckets, type Bucket } from '../../../lib/histogram/buckets.ts'
import type { ResultHistogram } from '../../../lib/promql/exec/result.ts'
import { formatTimestamp, formatValue } from '../../../lib/promql/format-number.ts'

/** A histogram with its time: `[1700006400,{"count":…}]`. */
export function encodeHistogramPoint({ timeMs, histogram }: ResultHistogram): string {
  const buckets = allBuckets(histogram).filter(({ count }) => count !== 0)
  const list = buckets.length === 0 ? '' : `,"buckets":[${buckets.map(encodeBucket).join(',')}]`
  const { count, sum } = histogram
  return `[${formatTimestamp(timeMs)},{"count":"${formatValue(count)}","sum":"${formatValue(sum)}"${list}}]`
}

function encodeBucket({ lower, upper, lowerInclusive, upperInclusive, count }: Bucket): string {
  const closed = lowerInclusive ? (upperInclusive ? 3 : 1) : upperInclusive ? 0 : 2
  return `[${closed},"${formatValue(lower)}","${formatValue(upper)}","${formatValue(count)}"]`
}
