// Cuts a run of histogram samples into chunks: within one, all share a layout, and a counter never goes back.
// Algorithm: Prometheus's appenders (appendable, appendableGauge, recode in tsdb/chunkenc/{histogram,float_histogram}.go)
// and storage.NewSeriesToChunkEncoder for the cut at 120 samples.
// Owns the merging of layouts: empty buckets are filled in where a sample or the chunk so far lacks them.
import { encodeHistogramChunk, histogramEncoding, maxExactInteger } from './encode-histogram.ts'
import {
  type CounterResetHint,
  countBuckets,
  customBucketsSchema,
  type FloatHistogram,
  type HistogramSample,
  type Span,
} from './float-histogram.ts'
import type { HistogramLayout } from './histogram-layout.ts'

/** A chunk that was encoded, its times inclusive in ms. */
export interface EncodedChunk {
  readonly minTime: number
  readonly maxTime: number
  readonly numSamples: number
  readonly encoding: number
  /** Without length, encoding and checksum. */
  readonly data: Uint8Array
}

/** Where compaction encodes anew it cuts at so many samples. */
export const samplesPerChunk = 120

/**
 * The samples, ascending in time, as chunks of at most 120. Integer histograms stay so (those beyond 2^51 become floats);
 * a chunk has start timestamps where one of its samples has.
 */
export function cutHistograms(samples: readonly HistogramSample[]): EncodedChunk[] {
  const chunks: EncodedChunk[] = []
  let open: OpenHistogramChunk | undefined
  const close = (): void => {
    if (open) chunks.push(open.encode())
  }
  for (const sample of samples) {
    const integer = sample.integer && isExact(sample.histogram)
    if (!open || open.integer !== integer || open.length === samplesPerChunk) {
      close()
      const { counterResetHint: hint } = sample.histogram
      open = new OpenHistogramChunk(integer, hint === 'gauge' || hint === 'reset' ? hint : 'unknown', sample)
      continue
    }
    const refused = open.refusal(sample)
    if (refused === undefined) {
      open.push(sample)
      continue
    }
    close()
    open = new OpenHistogramChunk(integer, refused, sample)
  }
  close()
  return chunks
}

function isExact({ count, zeroCount, positiveBuckets, negativeBuckets }: FloatHistogram): boolean {
  const exact = (value: number): boolean => Number.isInteger(value) && Math.abs(value) <= maxExactInteger
  return exact(count) && exact(zeroCount) && positiveBuckets.every(exact) && negativeBuckets.every(exact)
}

/** A chunk while samples join it, its layout growing with them; how many they may be is the caller's matter. */
export class OpenHistogramChunk {
  readonly integer: boolean
  readonly #reset: CounterResetHint
  readonly #samples: HistogramSample[]
  #layout: HistogramLayout

  constructor(integer: boolean, reset: CounterResetHint, first: HistogramSample) {
    this.integer = integer
    this.#reset = reset
    this.#samples = [first]
    this.#layout = first.histogram
  }

  get length(): number {
    return this.#samples.length
  }

  /** Why the sample cannot join: what the header of a chunk that begins with it says. Undefined where it can. */
  refusal({ histogram, stale }: HistogramSample): CounterResetHint | undefined {
    const last = this.#samples.at(-1)!
    const gauge = histogram.counterResetHint === 'gauge'
    // A stale marker carries no hint: it belongs to whatever was there before.
    if (!stale && gauge !== (this.#reset === 'gauge')) return gauge ? 'gauge' : 'not_reset'
    if (histogram.counterResetHint === 'reset') return 'reset'
    if (stale) return undefined
    if (last.stale) return gauge ? 'gauge' : 'unknown'
    const refused = gauge ? this.#changedLayout(histogram) : this.#wentBack(last.histogram, histogram)
    return gauge && refused ? 'gauge' : refused
  }

  /** Takes a sample that is not refused. */
  push(sample: HistogramSample): void {
    const { histogram, stale } = sample
    if (!stale) this.#layout = mergeLayouts(this.#layout, histogram, histogram.counterResetHint === 'gauge')
    this.#samples.push(sample)
  }

  /** Another schema, zero threshold or other bounds: what no merging of spans can bring together. */
  #changedLayout({ schema, zeroThreshold, customValues }: FloatHistogram): CounterResetHint | undefined {
    const layout = this.#layout
    if (schema !== layout.schema || zeroThreshold !== layout.zeroThreshold) return 'unknown'
    if (schema === customBucketsSchema && !sameBounds(customValues, layout.customValues)) return 'reset'
    return undefined
  }

  #wentBack(last: FloatHistogram, next: FloatHistogram): CounterResetHint | undefined {
    if (next.count < last.count) return 'reset'
    const changed = this.#changedLayout(next)
    if (changed) return changed
    if (next.zeroCount < last.zeroCount) return 'reset'
    const fewer =
      bucketsWentBack(
        { spans: last.positiveSpans, buckets: last.positiveBuckets },
        next.positiveSpans,
        next.positiveBuckets,
      ) ||
      bucketsWentBack(
        { spans: last.negativeSpans, buckets: last.negativeBuckets },
        next.negativeSpans,
        next.negativeBuckets,
      )
    return fewer ? 'reset' : undefined
  }

  encode(): EncodedChunk {
    const layout = this.#layout
    const samples = this.#samples.map((sample) =>
      sample.stale ? sample : { ...sample, histogram: spread(sample.histogram, layout) },
    )
    const started = samples.some(({ startTimeMs }) => startTimeMs !== 0)
    const encoding = histogramEncoding({ integer: this.integer, started })
    return {
      minTime: samples[0]!.timeMs,
      maxTime: samples.at(-1)!.timeMs,
      numSamples: samples.length,
      encoding,
      data: encodeHistogramChunk({ encoding, reset: this.#reset, layout, samples }),
    }
  }
}

function sameBounds(a: Float64Array, b: Float64Array): boolean {
  return a.length === b.length && a.every((bound, i) => bound === b[i])
}

/** The bucket indices that spans cover, ascending. */
export function bucketIndices(spans: readonly Span[]): Int32Array {
  const indices = new Int32Array(countBuckets(spans))
  let at = 0
  let next = 0
  for (const { offset, length } of spans) {
    next += offset
    for (let i = 0; i < length; i++) indices[at++] = next++
  }
  return indices
}

/** Whether a bucket counts less than before; one that is not there counts 0. */
function bucketsWentBack(
  last: { readonly spans: readonly Span[]; readonly buckets: Float64Array },
  spans: readonly Span[],
  buckets: Float64Array,
): boolean {
  const before = bucketIndices(last.spans)
  const now = bucketIndices(spans)
  let j = 0
  for (const [i, index] of before.entries()) {
    while (j < now.length && now[j]! < index) j++
    const count = j < now.length && now[j] === index ? buckets[j]! : 0
    if (last.buckets[i]! > count) return true
  }
  return false
}

/** The layout with the sample's buckets added, in the very spans that Prometheus would write. */
function mergeLayouts(layout: HistogramLayout, sample: FloatHistogram, gauge: boolean): HistogramLayout {
  if (sample.positiveSpans === layout.positiveSpans && sample.negativeSpans === layout.negativeSpans) return layout
  const positive = compareSpans(layout.positiveSpans, sample.positiveSpans)
  const negative = compareSpans(layout.negativeSpans, sample.negativeSpans)
  if (!positive.added && !negative.added) return layout
  // Counters keep the sample's own spans on a side where it lacks no bucket; gauges where it lacks none on either.
  const anyMissing = positive.missing || negative.missing
  return {
    ...layout,
    positiveSpans: (gauge ? anyMissing : positive.missing) ? positive.union() : sample.positiveSpans,
    negativeSpans: (gauge ? anyMissing : negative.missing) ? negative.union() : sample.negativeSpans,
  }
}

/** Whether the sample has buckets that the layout lacks, and the other way round. */
function compareSpans(
  layout: readonly Span[],
  sample: readonly Span[],
): { added: boolean; missing: boolean; union: () => Span[] } {
  const a = bucketIndices(layout)
  const b = bucketIndices(sample)
  const both = new Set([...a, ...b])
  return {
    added: both.size > a.length,
    missing: both.size > b.length,
    union: () => spansOf([...both].sort((x, y) => x - y)),
  }
}

/** Bucket indices, ascending, as spans. */
export function spansOf(indices: readonly number[]): Span[] {
  const spans: { offset: number; length: number }[] = []
  let next = 0
  for (const index of indices) {
    const last = spans.at(-1)
    if (last && index === next) last.length++
    else spans.push({ offset: index - next, length: 1 })
    next = index + 1
  }
  return spans
}

/** The histogram with the layout's buckets, which include its own. */
function spread(histogram: FloatHistogram, layout: HistogramLayout): FloatHistogram {
  const { positiveSpans, negativeSpans } = layout
  return {
    ...histogram,
    positiveSpans,
    negativeSpans,
    positiveBuckets: spreadBuckets(histogram.positiveSpans, histogram.positiveBuckets, positiveSpans),
    negativeBuckets: spreadBuckets(histogram.negativeSpans, histogram.negativeBuckets, negativeSpans),
  }
}

function spreadBuckets(from: readonly Span[], buckets: Float64Array, to: readonly Span[]): Float64Array {
  if (from === to) return buckets
  const wide = new Float64Array(countBuckets(to))
  const own = bucketIndices(from)
  let at = 0
  for (const [i, index] of bucketIndices(to).entries()) if (own[at] === index) wide[i] = buckets[at++]!
  return wide
}
