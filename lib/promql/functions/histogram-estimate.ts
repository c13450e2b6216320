// What a native histogram tells of its observations: quantiles, fractions between bounds, variance.
// Specification: Prometheus 3.14, promql/quantile.go (HistogramQuantile, HistogramFraction) and functions.go (histogramVariance).
// Owns the interpolation: linear in custom and zero buckets, exponential in all others.

import { allBuckets, type Bucket } from '../../histogram/buckets.ts'
import { type Histogram, isCustom } from '../../histogram/histogram.ts'
import { addTo } from '../../histogram/layout.ts'
import { exp2, log2 } from './go-math.ts'

export interface QuantileEstimate {
  readonly value: number
  /** Observations that are NaN: the quantile lies among them, or is too high because of them. */
  readonly nan?: 'result' | 'skew'
}

/** The φ-quantile; ∓Inf for φ outside 0 … 1. */
export function histogramQuantile(phi: number, h: Histogram): QuantileEstimate {
  if (phi < 0) return { value: -Infinity }
  if (phi > 1) return { value: Infinity }
  if (h.count === 0 || Number.isNaN(phi)) return { value: NaN }
  // NaN counts as an observation but is in no bucket: from below then, whatever φ is.
  const ascending = Number.isNaN(h.sum) || phi < 0.5
  const buckets = ascending ? allBuckets(h) : allBuckets(h).reverse()
  const rank = (ascending ? phi : 1 - phi) * h.count
  const { at, seen } = bucketOfRank(buckets, rank)
  const bucket = naturalBounds(h, buckets[at])
  if (isCustom(h)) {
    if (bucket.lower === -Infinity && bucket.upper <= 0) return { value: bucket.upper }
    if (bucket.lower !== -Infinity && bucket.upper === Infinity) return { value: bucket.lower }
  }
  const inside = isCustom(h) && bucket.lower === -Infinity ? { ...bucket, lower: 0 } : bucket
  const count = Math.min(seen, h.count)
  if (count < rank) return Number.isNaN(h.sum) ? { value: NaN, nan: 'result' } : { value: inside.upper }
  const rankInside = ascending ? rank - (count - inside.count) : count - rank
  if (!Number.isNaN(h.sum)) return { value: interpolate(h, inside, rankInside / inside.count) }
  let total = count
  let last = inside
  for (const after of buckets.slice(at + 1)) {
    total += after.count
    last = after
  }
  // As in Prometheus, which goes on with the last bucket once it has counted them all.
  const value = interpolate(h, last, rankInside / last.count)
  return total < h.count ? { value, nan: 'skew' } : { value }
}

const noBucket: Bucket = { lower: 0, upper: 0, lowerInclusive: false, upperInclusive: false, count: 0 }

function bucketOfRank(buckets: readonly Bucket[], rank: number): { at: number; seen: number } {
  let seen = 0
  for (let at = 0; at < buckets.length; at++) {
    const { count } = buckets[at]!
    if (count === 0) continue
    seen += count
    if (seen >= rank) return { at, seen }
  }
  return { at: buckets.length - 1, seen }
}

/** The zero bucket ends at 0 on the side on which the histogram has no buckets. */
function naturalBounds(h: Histogram, bucket: Bucket = noBucket): Bucket {
  return !isCustom(h) && bucket.lower < 0 && bucket.upper > 0 ? withoutEmptySide(h, bucket) : bucket
}

function interpolate(h: Histogram, { lower, upper }: Bucket, fraction: number): number {
  if (isCustom(h) || (lower <= 0 && upper >= 0)) return lower + (upper - lower) * fraction
  const logLower = log2(Math.abs(lower))
  const logUpper = log2(Math.abs(upper))
  if (lower > 0) return exp2(logLower + (logUpper - logLower) * fraction)
  return -exp2(logUpper + (logLower - logUpper) * (1 - fraction))
}

/** The share of observations between two bounds; `nan` where some are NaN, which lie between no bounds. */
export function histogramFraction(lower: number, upper: number, h: Histogram): { value: number; nan: boolean } {
  if (h.count === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return { value: NaN, nan: false }
  if (lower >= upper) return { value: 0, nan: false }
  const buckets = allBuckets(h)
  const total = buckets.reduce((sum, { count }) => sum + count, 0)
  const most = Number.isNaN(h.sum) ? total : h.count
  const below = rankOf(upper, h, buckets) ?? most
  const under = rankOf(lower, h, buckets) ?? most
  const value = (Math.min(below, most) - Math.min(under, most)) / h.count
  return { value, nan: Number.isNaN(h.sum) && total < h.count }
}

/** Observations below a value; undefined where it lies above all buckets. */
function rankOf(value: number, h: Histogram, buckets: readonly Bucket[]): number | undefined {
  let rank = 0
  for (const bucket of buckets) {
    const isZero = bucket.lower <= 0 && bucket.upper >= 0
    const { lower, upper, count } = isZero ? withoutEmptySide(h, bucket) : bucket
    if (lower >= value) return rank
    if (upper > value) {
      const linear = isCustom(h) || isZero
      if (linear && lower === -Infinity) return count
      return rank + count * fractionBelow({ ...bucket, lower, upper }, value, linear)
    }
    rank += count
  }
  return undefined
}

function withoutEmptySide({ positive, negative }: Histogram, bucket: Bucket): Bucket {
  if (negative.counts.length === 0 && positive.counts.length > 0) return { ...bucket, lower: 0 }
  if (positive.counts.length === 0 && negative.counts.length > 0) return { ...bucket, upper: 0 }
  return bucket
}

/** Estimated variance: each observation is taken to lie in the middle of its bucket. */
export function histogramVariance(h: Histogram): number {
  const mean = h.sum / h.count
  const variance = { value: 0, lost: 0 }
  for (const { lower, upper, count } of allBuckets(h)) {
    if (count === 0) continue
    const delta = middleOf(h, lower, upper) - mean
    addTo(variance, count * delta * delta)
  }
  return (variance.value + variance.lost) / h.count
}

function middleOf(h: Histogram, lower: number, upper: number): number {
  if (isCustom(h)) return (upper + lower) / 2
  if (lower <= 0 && upper >= 0) return 0
  const middle = Math.sqrt(upper * lower)
  return upper < 0 ? -middle : middle
}

/** The share of a bucket's observations below a value inside it: linear, or on a logarithmic scale. */
export function fractionBelow({ lower, upper }: Bucket, value: number, linear: boolean): number {
  if (linear) return (value - lower) / (upper - lower)
  const logLower = log2(Math.abs(lower))
  const logUpper = log2(Math.abs(upper))
  const logValue = log2(Math.abs(value))
  if (value > 0) return (logValue - logLower) / (logUpper - logLower)
  return 1 - (logValue - logUpper) / (logLower - logUpper)
}
