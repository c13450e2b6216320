// Which reads get the wanted byte ranges of one object: neighbours are merged over small gaps, up to a size.
// After Thanos's gap-based partitioner, with a cap on the size of one read; a call that has made many reads gets wider gaps.
// Owns the decision alone: pure functions, run by fetch.ts for postings, series entries and chunks alike.

export interface PlanLimits {
  /** Two ranges are read as one where at most this many unwanted bytes lie between them. */
  readonly maxGapBytes: number
  /** A read does not grow past this; one range that is longer is read whole. */
  readonly maxReadBytes: number
}

/**
 * A call that gets by with so many reads reads what it needs and little else. One that needs more reads over gaps of
 * `wideGapBytes`: a request to S3 was measured to cost as much CPU as 600 KiB of an answer, a read of a file as 100 KiB.
 */
const manyReads = 64
const wideGapBytes = 256 << 10

/** One read: bytes [offset, offset + length) of the object, for the ranges [first, end) of the list. */
export interface PlannedRead {
  readonly offset: number
  readonly length: number
  readonly first: number
  readonly end: number
}

/**
 * The reads that cover all of `offsets[i]` + `lengths[i]` (bytes; offsets ascending, ranges may overlap).
 * Each range lies whole in exactly one read.
 */
export function planReads(offsets: ArrayLike<number>, lengths: ArrayLike<number>, limits: PlanLimits): PlannedRead[] {
  const reads: PlannedRead[] = []
  let first = 0
  while (first < offsets.length) {
    const start = offsets[first]!
    let stop = start + lengths[first]!
    let end = first + 1
    for (; end < offsets.length; end++) {
      const nextStart = offsets[end]!
      const nextStop = Math.max(stop, nextStart + lengths[end]!)
      if (nextStart - stop > limits.maxGapBytes || nextStop - start > limits.maxReadBytes) break
      stop = nextStop
    }
    reads.push({ offset: start, length: stop - start, first, end })
    first = end
  }
  return reads
}

/** As planReads(), for a call of which `before` reads have been planned already. */
export function planFurtherReads(
  offsets: ArrayLike<number>,
  lengths: ArrayLike<number>,
  limits: PlanLimits,
  before: number,
): PlannedRead[] {
  const reads = planReads(offsets, lengths, limits)
  if (before + reads.length <= manyReads) return reads
  return planReads(offsets, lengths, { ...limits, maxGapBytes: Math.max(limits.maxGapBytes, wideGapBytes) })
}
