// The native histogram sample as every layer sees it: counts as floats, absolute, whatever the chunk holds.
// Definition: Prometheus model/histogram/float_histogram.go. What queries compute with is lib/histogram/histogram.ts.
// Owns the type and the questions that its fields alone answer.

/**
 * What is known of a reset between a sample and the one before: `gauge` histograms have none,
 * `not_reset` is certain, and `unknown` means that buckets have to be compared.
 */
export type CounterResetHint = 'unknown' | 'reset' | 'not_reset' | 'gauge'

/** `length` consecutive buckets; `offset` is the first one's index, or the number of indices skipped since the last span. */
export interface Span {
  readonly offset: number
  readonly length: number
}

export interface FloatHistogram {
  readonly counterResetHint: CounterResetHint
  /** −4 to 8: bucket bounds are powers of 2^(2^−schema); −53: custom bounds. */
  readonly schema: number
  readonly zeroThreshold: number
  readonly zeroCount: number
  readonly count: number
  readonly sum: number
  readonly positiveSpans: readonly Span[]
  readonly negativeSpans: readonly Span[]
  /** Absolute counts (not differences), one a bucket of the spans, in order. */
  readonly positiveBuckets: Float64Array
  readonly negativeBuckets: Float64Array
  /** Upper bounds of schema −53, ascending, without +Inf; else empty. */
  readonly customValues: Float64Array
}

/** One histogram of a series. A stale marker has `stale` true and an empty histogram whose sum is NaN. */
export interface HistogramSample {
  readonly timeMs: number
  /** When counting began; 0 where it is not known. */
  readonly startTimeMs: number
  readonly stale: boolean
  /** Its chunk counts in integers; an encoder keeps it so. Queries need not care. */
  readonly integer: boolean
  readonly histogram: FloatHistogram
}

/** The schema whose bucket bounds are `customValues`. */
export const customBucketsSchema = -53

/** Number of buckets that the spans cover. */
export function countBuckets(spans: readonly Span[]): number {
  let count = 0
  for (const { length } of spans) count += length
  return count
}
