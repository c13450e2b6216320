// Histograms as the golden dumps write them, and of chunks as those.
import type { CounterResetHint, FloatHistogram, HistogramSample, Span } from '../../lib/chunkenc/float-histogram.ts'

/** A dumped float: Go's 'g' format; NaN followed by its bits. */
function floatOf(text: string): number {
  if (text.startsWith('NaN')) return Number.NaN
  if (text.endsWith('Inf')) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return Number(text)
}

interface DumpedHistogram {
  count: string
  counterResetHint: string
  customValues: string[]
  negativeBuckets: string[]
  negativeSpans: [number, number][]
  positiveBuckets: string[]
  positiveSpans: [number, number][]
  schema: number
  sum: string
  zeroCount: string
  zeroThreshold: string
}

export function isDumpedHistogram(sample: readonly unknown[]): boolean {
  return typeof sample[1] === 'object'
}

const staleSum = 'NaN:7ff0000000000002'

/** A dumped sample as the decoder gives it, `integer` aside. */
export function sampleOfDump(sample: readonly unknown[]): Omit<HistogramSample, 'integer'> {
  const [timeMs, histogram, startTimeMs] = sample as [number, DumpedHistogram, number?]
  const spans = (list: readonly [number, number][]): Span[] => list.map(([offset, length]) => ({ offset, length }))
  const want: FloatHistogram = {
    counterResetHint: (histogram.counterResetHint === 'notReset'
      ? 'not_reset'
      : histogram.counterResetHint) as CounterResetHint,
    schema: histogram.schema,
    zeroThreshold: floatOf(histogram.zeroThreshold),
    zeroCount: floatOf(histogram.zeroCount),
    count: floatOf(histogram.count),
    sum: floatOf(histogram.sum),
    positiveSpans: spans(histogram.positiveSpans),
    negativeSpans: spans(histogram.negativeSpans),
    positiveBuckets: Float64Array.from(histogram.positiveBuckets, floatOf),
    negativeBuckets: Float64Array.from(histogram.negativeBuckets, floatOf),
    customValues: Float64Array.from(histogram.customValues, floatOf),
  }
  return { timeMs, startTimeMs: startTimeMs ?? 0, stale: histogram.sum === staleSum, histogram: want }
}
