// A native histogram as queries compute with it: float counts by bucket index, never changed once it is made.
// Specification: Prometheus 3.14, model/histogram/float_histogram.go; spans are spelled out as one index a bucket.
// Owns the type, its equality and compaction; sum.ts, scale.ts and reset.ts have the operations.

import {
  type CounterResetHint,
  customBucketsSchema,
  type FloatHistogram,
  type HistogramSample,
  type Span,
} from '../chunkenc/float-histogram.ts'

/** Buckets of one sign: indexes ascending from zero on, none twice; a count may be 0. */
export interface Buckets {
  readonly indexes: readonly number[]
  readonly counts: readonly number[]
}

export interface Histogram {
  readonly hint: CounterResetHint
  /** −4 … 8, or customBucketsSchema. */
  readonly schema: number
  readonly zeroThreshold: number
  readonly zeroCount: number
  readonly count: number
  readonly sum: number
  readonly positive: Buckets
  readonly negative: Buckets
  /** Upper bounds where buckets are custom: indexes count from 0, the last bucket goes to +Inf. Else empty. */
  readonly customBounds: readonly number[]
}

/** A histogram sample; without a histogram it is a stale marker. */
export interface HistogramPoint {
  readonly timeMs: number
  readonly histogram: Histogram | undefined
  /** When counting began, where that was asked for and is known. */
  readonly startTimeMs?: number
}

export const noBuckets: Buckets = { indexes: [], counts: [] }

/** A sample out of a chunk, its spans spelled out. */
export function pointOf({ timeMs, stale, histogram }: HistogramSample): HistogramPoint {
  return { timeMs, histogram: stale ? undefined : histogramOf(histogram) }
}

export function histogramOf(from: FloatHistogram): Histogram {
  return {
    hint: from.counterResetHint,
    schema: from.schema,
    zeroThreshold: from.zeroThreshold,
    zeroCount: from.zeroCount,
    count: from.count,
    sum: from.sum,
    positive: bucketsOf(from.positiveSpans, from.positiveBuckets),
    negative: bucketsOf(from.negativeSpans, from.negativeBuckets),
    customBounds: Array.from(from.customValues),
  }
}

/** Buckets from spans as chunks hold them, and their absolute counts. */
export function bucketsOf(spans: readonly Span[], counts: ArrayLike<number>): Buckets {
  const indexes: number[] = []
  let index = 0
  for (const { offset, length } of spans) {
    index += offset
    for (let i = 0; i < length; i++) indexes.push(index++)
  }
  return { indexes, counts: Array.from(counts) }
}

export function isCustom({ schema }: Histogram): boolean {
  return schema === customBucketsSchema
}

/** The same without buckets that hold nothing. */
export function compact(h: Histogram): Histogram {
  const positive = withoutEmpty(h.positive)
  const negative = withoutEmpty(h.negative)
  return positive === h.positive && negative === h.negative ? h : { ...h, positive, negative }
}

function withoutEmpty(buckets: Buckets): Buckets {
  const { indexes, counts } = buckets
  if (!counts.includes(0)) return buckets
  const kept: { indexes: number[]; counts: number[] } = { indexes: [], counts: [] }
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] === 0) continue
    kept.indexes.push(indexes[i]!)
    kept.counts.push(counts[i]!)
  }
  return kept
}

/** Whether two histograms are the same in all but the hint: NaN equals NaN, and 0 does not equal −0. */
export function equalHistograms(a: Histogram, b: Histogram): boolean {
  return (
    a.schema === b.schema &&
    Object.is(a.count, b.count) &&
    Object.is(a.sum, b.sum) &&
    a.zeroThreshold === b.zeroThreshold &&
    Object.is(a.zeroCount, b.zeroCount) &&
    equalNumbers(a.customBounds, b.customBounds) &&
    equalBuckets(a.negative, b.negative) &&
    equalBuckets(a.positive, b.positive)
  )
}

function equalBuckets(a: Buckets, b: Buckets): boolean {
  return equalNumbers(a.indexes, b.indexes) && equalNumbers(a.counts, b.counts)
}

export function equalNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((value, i) => Object.is(value, b[i])))
}

/** What a histogram weighs among a query's samples, as Prometheus counts it: its bytes over those of a float sample. */
export function sampleWeight({ positive, negative, customBounds }: Histogram): number {
  const structBytes = 168
  const numbers = positive.counts.length + negative.counts.length + customBounds.length
  const spans = runs(positive.indexes) + runs(negative.indexes)
  return Math.floor((structBytes + 8 * (numbers + spans) + 8) / 16)
}

function runs(indexes: readonly number[]): number {
  let count = 0
  for (let i = 0; i < indexes.length; i++) if (i === 0 || indexes[i] !== indexes[i - 1]! + 1) count++
  return count
}
