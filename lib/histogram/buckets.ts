// A histogram's buckets with their bounds, from the lowest value to the highest.
// Specification: Prometheus 3.14, model/histogram (AllBucketIterator, Bucket): the zero bucket stands between the signs.
// Owns where bounds are inclusive, and how a zero threshold cuts the bucket that it reaches into.

import { customBound, exponentialBound } from './bounds.ts'
import { type Buckets, type Histogram, isCustom } from './histogram.ts'

export interface Bucket {
  readonly lower: number
  readonly upper: number
  readonly lowerInclusive: boolean
  readonly upperInclusive: boolean
  readonly count: number
}

/** All buckets in ascending order, empty ones too, but for an empty zero bucket. */
export function allBuckets(h: Histogram): Bucket[] {
  const buckets: Bucket[] = []
  const negative = signedBuckets(h, false)
  for (let i = negative.length - 1; i >= 0; i--) buckets.push(outsideZero(negative[i]!, h.zeroThreshold))
  if (h.zeroCount > 0) buckets.push(zeroBucket(h))
  for (const bucket of signedBuckets(h, true)) buckets.push(outsideZero(bucket, h.zeroThreshold))
  return buckets
}

/** The buckets of one sign, in order of their indexes: away from zero. */
export function signedBuckets(h: Histogram, positive: boolean): Bucket[] {
  const { indexes, counts }: Buckets = positive ? h.positive : h.negative
  const custom = isCustom(h)
  const bound = (index: number) => (custom ? customBound(index, h.customBounds) : exponentialBound(index, h.schema))
  return indexes.map((index, i) => {
    const near = bound(index - 1)
    const far = bound(index)
    const [lower, upper] = positive ? [near, far] : [-far, -near]
    return {
      lower,
      upper,
      lowerInclusive: custom ? index === 0 : lower < 0,
      upperInclusive: custom || upper > 0,
      count: counts[i]!,
    }
  })
}

export function zeroBucket({ zeroThreshold, zeroCount }: Histogram): Bucket {
  const closed = { lowerInclusive: true, upperInclusive: true }
  return { lower: -zeroThreshold, upper: zeroThreshold, ...closed, count: zeroCount }
}

function outsideZero(bucket: Bucket, threshold: number): Bucket {
  if (bucket.upper < 0 && bucket.upper > -threshold) return { ...bucket, upper: -threshold }
  if (bucket.lower > 0 && bucket.lower < threshold) return { ...bucket, lower: threshold }
  return bucket
}
