// Quantiles: of a set of values, and of classic histograms by their buckets.
// Specification: Prometheus 3.14, promql/quantile.go (quantile, BucketQuantile, BucketFraction).
// Owns the interpolation and the fix-up of buckets whose counts are not monotonic.

/** The φ-quantile of values, which it sorts (NaN first). NaN without values, ∓Inf for φ outside 0 … 1. */
export function quantileOf(phi: number, values: Float64Array): number {
  if (values.length === 0 || Number.isNaN(phi)) return NaN
  if (phi < 0) return -Infinity
  if (phi > 1) return Infinity
  values.sort()
  let nans = 0
  while (nans < values.length && Number.isNaN(values[values.length - 1 - nans]!)) nans++
  const at = (rank: number) => (rank < nans ? NaN : values[rank - nans]!)
  const rank = phi * (values.length - 1)
  const lower = Math.floor(rank)
  const weight = rank - lower
  return at(lower) * (1 - weight) + at(Math.min(values.length - 1, lower + 1)) * weight
}

/** Observations up to an upper bound. */
export interface Bucket {
  readonly upperBound: number
  count: number
}

export interface BucketQuantile {
  readonly value: number
  /** Where counts had to be raised to be monotonic: bounds of such buckets and the greatest raise. */
  readonly forced?: { readonly minBucket: number; readonly maxBucket: number; readonly maxDiff: number }
}

/** The φ-quantile of a classic histogram. Sorts the buckets and changes their counts. */
export function bucketQuantile(phi: number, unsorted: Bucket[]): BucketQuantile {
  if (Number.isNaN(phi)) return { value: NaN }
  if (phi < 0) return { value: -Infinity }
  if (phi > 1) return { value: Infinity }
  const buckets = sortedBuckets(unsorted)
  if (buckets === undefined) return { value: NaN }
  const forced = makeMonotonic(buckets)
  const value = quantileInBuckets(phi, buckets)
  return forced === undefined ? { value } : { value, forced }
}

function quantileInBuckets(phi: number, buckets: readonly Bucket[]): number {
  const last = buckets.length - 1
  if (last < 1) return NaN
  const observations = buckets[last]!.count
  if (observations === 0) return NaN
  const rank = phi * observations
  const b = firstReaching(rank, buckets, last)
  if (b === last) return buckets[last - 1]!.upperBound
  const { upperBound, count } = buckets[b]!
  if (b === 0 && upperBound <= 0) return upperBound
  const below = b === 0 ? { upperBound: 0, count: 0 } : buckets[b - 1]!
  const share = (rank - below.count) / (count - below.count)
  return below.upperBound + (upperBound - below.upperBound) * share
}

/** Bisects as Go's sort.Search: a count that is NaN reaches no rank, and hides what stands on its wrong side. */
function firstReaching(rank: number, buckets: readonly Bucket[], end: number): number {
  let low = 0
  let high = end
  while (low < high) {
    const middle = (low + high) >>> 1
    if (buckets[middle]!.count >= rank) high = middle
    else low = middle + 1
  }
  return low
}

/** By upper bound, those of equal bounds as one; undefined where the highest is not +Inf. */
function sortedBuckets(buckets: Bucket[]): Bucket[] | undefined {
  sortByBound(buckets)
  if (buckets.at(-1)?.upperBound !== Infinity) return undefined
  const merged: Bucket[] = []
  for (const bucket of buckets) {
    const last = merged.at(-1)
    if (last?.upperBound === bucket.upperBound) last.count += bucket.count
    else merged.push(bucket)
  }
  return merged
}

/** Longest list that Go's slices.SortFunc sorts by insertion. */
const maxInsertion = 12

// A bound that is NaN equals every other: where such a bucket comes to stand is the algorithm's doing.
function sortByBound(buckets: Bucket[]): void {
  if (buckets.length > maxInsertion) {
    buckets.sort((a, b) => (a.upperBound < b.upperBound ? -1 : a.upperBound > b.upperBound ? 1 : 0))
    return
  }
  for (let i = 1; i < buckets.length; i++) {
    const bucket = buckets[i]!
    let to = i
    for (; to > 0 && bucket.upperBound < buckets[to - 1]!.upperBound; to--) buckets[to] = buckets[to - 1]!
    buckets[to] = bucket
  }
}

const smallDeltaTolerance = 1e-12

// Differences that float arithmetic may have made go silently; any other decrease is raised to the count before it.
function makeMonotonic(buckets: readonly Bucket[]): BucketQuantile['forced'] {
  let minBucket = Infinity
  let maxBucket = -Infinity
  let maxDiff = 0
  let isForced = false
  let before = buckets[0]!.count
  for (const bucket of buckets.slice(1)) {
    const { count, upperBound } = bucket
    if (count === before) continue
    if (almostEqual(before, count, smallDeltaTolerance)) {
      bucket.count = before
    } else if (count < before) {
      bucket.count = before
      isForced = true
      if (upperBound < minBucket) minBucket = upperBound
      if (upperBound > maxBucket) maxBucket = upperBound
      maxDiff = Math.max(maxDiff, before - count)
    } else {
      before = count
    }
  }
  return isForced ? { minBucket, maxBucket, maxDiff } : undefined
}

const minNormal = 2 ** -1022

/** Equal within `tolerance` of the values' sum; NaN equals NaN. */
export function almostEqual(a: number, b: number, tolerance: number): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true
  const sum = Math.abs(a) + Math.abs(b)
  const difference = Math.abs(a - b)
  if (a === 0 || b === 0 || sum < minNormal) return difference < tolerance * minNormal
  return difference / Math.min(sum, Number.MAX_VALUE) < tolerance
}

/** Share of observations between two bounds. Sorts the buckets. */
export function bucketFraction(lower: number, upper: number, unsorted: Bucket[]): number {
  const buckets = sortedBuckets(unsorted)
  if (buckets === undefined) return NaN
  const { count } = buckets.at(-1)!
  if (count === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return NaN
  if (lower >= upper) return 0
  return (rankOf(upper, buckets) - rankOf(lower, buckets)) / count
}

/** Observations below a value, interpolated within the bucket that holds it; none of an infinitely wide bucket. */
function rankOf(value: number, buckets: readonly Bucket[]): number {
  const total = buckets.at(-1)!.count
  let rank = 0
  let lowerBound = buckets[0]!.upperBound <= 0 ? -Infinity : 0
  for (const { upperBound, count } of buckets) {
    if (lowerBound >= value) return Math.min(rank, total)
    if (lowerBound < value && upperBound > value) {
      if (lowerBound === -Infinity) return Math.min(count, total)
      return Math.min(rank + ((count - rank) * (value - lowerBound)) / (upperBound - lowerBound), total)
    }
    rank = count
    lowerBound = upperBound
  }
  return total
}
