// Trimming: a histogram without the observations above, or below, a value.
// Specification: Prometheus 3.14, model/histogram/float_histogram.go (TrimBuckets): buckets that hold the value are interpolated.
// Owns how count and sum are estimated anew from what is left.

import { type Bucket, signedBuckets, zeroBucket } from '../../histogram/buckets.ts'
import { compact, type Histogram, isCustom } from '../../histogram/histogram.ts'
import { fractionBelow } from './histogram-estimate.ts'

interface Kept {
  readonly count: number
  /** What each of these observations is taken to be. */
  readonly midpoint: number
}

interface Trim {
  readonly at: number
  /** Observations below are kept; else those above. */
  readonly keepsBelow: boolean
  readonly linear: boolean
}

/** `</` keeps what lies below a value, `>/` what lies above it. */
export function trimHistogram(h: Histogram, op: '</' | '>/', at: number): Histogram {
  const trim = { at, keepsBelow: op === '</', linear: isCustom(h) }
  const positive = trimSide(h, true, trim)
  const negative = trimSide(h, false, trim)
  const any = { positive: h.positive.counts.some(isFilled), negative: h.negative.counts.some(isFilled) }
  // Less than nothing near zero (of a difference) stays, and counts for nothing.
  const zero = h.zeroCount > 0 ? trimZero(h, any, trim) : { count: 0, midpoint: 0 }
  const trimmed = {
    ...h,
    zeroCount: h.zeroCount > 0 ? zero.count : h.zeroCount,
    positive: { indexes: h.positive.indexes, counts: positive.map(({ count }) => count) },
    negative: { indexes: h.negative.indexes, counts: negative.map(({ count }) => count) },
  }
  if (holdsTheSame(h, trimmed)) return h
  const total = { count: 0, sum: 0 }
  for (const { count, midpoint } of [...positive, ...negative, zero]) {
    total.count += count
    total.sum += midpoint * count
  }
  return compact({ ...trimmed, ...total })
}

function isFilled(count: number): boolean {
  return count !== 0
}

function holdsTheSame(a: Histogram, b: Histogram): boolean {
  const same = (x: readonly number[], y: readonly number[]) => x.every((count, i) => count === y[i])
  return (
    a.zeroCount === b.zeroCount &&
    same(a.positive.counts, b.positive.counts) &&
    same(a.negative.counts, b.negative.counts)
  )
}

function trimSide(h: Histogram, isPositive: boolean, trim: Trim): Kept[] {
  return signedBuckets(h, isPositive).map((bucket) =>
    bucket.count === 0 ? { count: 0, midpoint: 0 } : keepOf(bucket, isPositive, trim),
  )
}

function keepOf(bucket: Bucket, isPositive: boolean, trim: Trim): Kept {
  const { lower, upper, count } = bucket
  const { at, keepsBelow, linear } = trim
  const whole = keepsBelow ? upper <= at : lower >= at
  if (whole) return { count, midpoint: midpointOf(lower, upper, { isPositive, linear }) }
  const cut = keepsBelow ? lower < at : upper > at
  if (!cut) return { count: 0, midpoint: 0 }
  if (lower === -Infinity || upper === Infinity) return keepOfInfinite(bucket, trim)
  const below = count * fractionBelow(bucket, at, linear)
  return keepsBelow
    ? { count: below, midpoint: midpointOf(lower, at, { isPositive, linear }) }
    : { count: count - below, midpoint: midpointOf(at, upper, { isPositive, linear }) }
}

// Where observations lie in a bucket without end is not known: it goes, but where the natural bound 0 helps out.
function keepOfInfinite({ lower, upper, count }: Bucket, { at, keepsBelow }: Trim): Kept {
  const none = { count: 0, midpoint: 0 }
  if (lower === -Infinity) {
    const fromZero = upper > 0 && upper !== Infinity
    if (keepsBelow) {
      if (at > 0 && fromZero) return { count: (count * at) / upper, midpoint: at / 2 }
      return upper <= 0 ? { count, midpoint: at } : none
    }
    return at >= 0 && fromZero ? { count: count * (1 - at / upper), midpoint: (at + upper) / 2 } : none
  }
  return !keepsBelow && at >= lower ? { count, midpoint: at } : none
}

function midpointOf(
  lower: number,
  upper: number,
  { isPositive, linear }: { isPositive: boolean; linear: boolean },
): number {
  if (!Number.isFinite(lower)) {
    if (!Number.isFinite(upper)) return 0
    return upper > 0 ? upper / 2 : upper
  }
  if (!Number.isFinite(upper)) return lower
  if (linear) return (lower + upper) / 2
  const geometric = Math.sqrt(Math.abs(lower * upper))
  return isPositive ? geometric : -geometric
}

function trimZero(h: Histogram, has: { positive: boolean; negative: boolean }, { at, keepsBelow }: Trim): Kept {
  const { lower: low, upper: high, count } = zeroBucket(h)
  // With observations of one sign alone, those near zero are taken to have it too.
  const lower = has.positive && !has.negative ? 0 : low
  const upper = has.negative && !has.positive ? 0 : high
  const whole = { count, midpoint: (lower + upper) / 2 }
  const none = { count: 0, midpoint: 0 }
  if (at <= lower) return keepsBelow ? none : whole
  if (at >= upper) return keepsBelow ? whole : none
  return keepsBelow
    ? { count: count * ((at - lower) / (upper - lower)), midpoint: (lower + at) / 2 }
    : { count: count * ((upper - at) / (upper - lower)), midpoint: (at + upper) / 2 }
}
