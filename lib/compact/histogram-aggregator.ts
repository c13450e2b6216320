// Aggregates of native histograms over windows: how many, their sum, and a counter that goes on across resets.
// Algorithm: Thanos pkg/compact/downsample/downsample.go (histogramAggregator), over Prometheus's Add, Sub and DetectReset;
// but resets are looked for at the resolutions as scraped: Thanos sees one in each chunk where a later one is coarser.
// Owns the running histograms, with spans as Prometheus would leave them, so that chunks come out byte for byte Thanos's.
import { bucketIndices } from '../chunkenc/cut-histograms.ts'
import type { FloatHistogram, Span } from '../chunkenc/float-histogram.ts'
import { exponentialBound } from '../histogram/bounds.ts'
import { type Buckets, type Histogram, histogramOf } from '../histogram/histogram.ts'
import { detectReset } from '../histogram/reset.ts'
import { toSchema } from '../histogram/scale.ts'
import { addHistograms, subtractHistograms } from '../histogram/sum.ts'

export class HistogramAggregator {
  readonly #schema: number
  #counter: FloatHistogram | undefined
  /** The last histogram at the common schema, and as it came. */
  #previous: FloatHistogram | undefined
  #lastOriginal: FloatHistogram | undefined
  #sum: FloatHistogram | undefined
  #count = 0

  /** `schema`: the lowest of all histograms that will be added. */
  constructor(schema: number) {
    this.#schema = schema
  }

  /** The window's histograms so far; reset by `startWindow`. */
  get count(): number {
    return this.#count
  }

  /** The window's sum, a gauge; defined once one has been added. */
  get sum(): FloatHistogram | undefined {
    return this.#sum
  }

  /** What has been counted since the first histogram, that one's counts with it. */
  get counter(): FloatHistogram | undefined {
    return this.#counter
  }

  startWindow(): void {
    this.#count = 0
    this.#sum = undefined
  }

  /** Histograms of one series in order of time, without stale markers; custom buckets all of the same bounds. */
  add(original: FloatHistogram): void {
    const histogram = original.schema > this.#schema ? atSchema(original, this.#schema) : original
    if (this.#counter === undefined) this.#counter = histogram
    else if (wasReset(original, this.#lastOriginal!)) this.#counter = combine(this.#counter, histogram, 1)
    else this.#counter = combine(this.#counter, combine(histogram, this.#previous!, -1), 1)
    const sum = this.#sum === undefined ? histogram : combine(this.#sum, histogram, 1)
    this.#sum = { ...sum, counterResetHint: 'gauge' }
    this.#previous = histogram
    this.#lastOriginal = original
    this.#count++
  }
}

function wasReset(current: FloatHistogram, previous: FloatHistogram): boolean {
  const { counterResetHint: hint } = current
  if (hint === 'gauge' || hint === 'not_reset') return false
  return detectReset(histogramOf(current), histogramOf(previous))
}

function atSchema(histogram: FloatHistogram, schema: number): FloatHistogram {
  const reduced = toSchema(histogramOf(histogram), schema)
  const { counterResetHint: hint } = histogram
  return chunkHistogram({ ...reduced, hint }, spansOf(reduced.positive.indexes), spansOf(reduced.negative.indexes))
}

/** a + b or a − b: counts bucket by bucket where a has all of b's buckets, else through what the layouts have in common. */
function combine(a: FloatHistogram, b: FloatHistogram, sign: 1 | -1): FloatHistogram {
  const positive = sameScale(a, b) ? placesIn(a.positiveSpans, b.positiveSpans) : undefined
  const negative = positive && placesIn(a.negativeSpans, b.negativeSpans)
  if (positive && negative)
    return {
      ...a,
      counterResetHint: mergedHint(a, b),
      zeroCount: a.zeroCount + sign * b.zeroCount,
      count: a.count + sign * b.count,
      sum: a.sum + sign * b.sum,
      positiveBuckets: addAt(a.positiveBuckets, b.positiveBuckets, { places: positive, sign }),
      negativeBuckets: addAt(a.negativeBuckets, b.negativeBuckets, { places: negative, sign }),
    }
  const [left, right] = [histogramOf(a), histogramOf(b)]
  const result = sign > 0 ? addHistograms(left, right).sum : subtractHistograms(left, right).difference
  return chunkHistogram(
    result,
    spansWith(startSpans(a.positiveSpans, left.positive, left, result), result.positive.indexes),
    spansWith(startSpans(a.negativeSpans, left.negative, left, result), result.negative.indexes),
  )
}

function addAt(
  into: Float64Array,
  counts: Float64Array,
  { places, sign }: { readonly places: Int32Array; readonly sign: number },
): Float64Array {
  const sum = into.slice()
  for (let i = 0; i < counts.length; i++) sum[places[i]!]! += sign * counts[i]!
  return sum
}

/** Where each bucket of `spans` stands among those of `all`; undefined where one is missing there. A chunk's samples share their spans. */
function placesIn(all: readonly Span[], spans: readonly Span[]): Int32Array | undefined {
  const known = places.get(all) ?? new WeakMap<readonly Span[], Int32Array | 'missing'>()
  places.set(all, known)
  const found = known.get(spans) ?? findPlaces(bucketIndices(all), bucketIndices(spans)) ?? 'missing'
  known.set(spans, found)
  return found === 'missing' ? undefined : found
}

const places = new WeakMap<readonly Span[], WeakMap<readonly Span[], Int32Array | 'missing'>>()

function findPlaces(all: Int32Array, indexes: Int32Array): Int32Array | undefined {
  const found = new Int32Array(indexes.length)
  let at = 0
  for (const [i, index] of indexes.entries()) {
    while (at < all.length && all[at]! < index) at++
    if (all[at] !== index) return undefined
    found[i] = at
  }
  return found
}

/** Whether buckets of one index are the same buckets, and none of b's lies within the zero bucket. */
function sameScale(a: FloatHistogram, b: FloatHistogram): boolean {
  return (
    a.schema === b.schema &&
    a.zeroThreshold === b.zeroThreshold &&
    a.customValues.length === b.customValues.length &&
    (a.customValues === b.customValues || a.customValues.every((bound, i) => bound === b.customValues[i])) &&
    isOutsideZero(b, b.positiveSpans) &&
    isOutsideZero(b, b.negativeSpans)
  )
}

/** Prometheus does not add buckets that lie within the zero bucket. */
function isOutsideZero({ schema, zeroThreshold, customValues }: FloatHistogram, spans: readonly Span[]): boolean {
  const first = spans[0]
  if (zeroThreshold === 0 || customValues.length > 0 || first === undefined) return true
  return exponentialBound(first.offset, schema) > zeroThreshold
}

function mergedHint(a: FloatHistogram, b: FloatHistogram): FloatHistogram['counterResetHint'] {
  const [own, other] = [a.counterResetHint, b.counterResetHint]
  if (own === other || own === 'gauge' || other === 'gauge') return own === other ? own : 'gauge'
  return 'unknown'
}

/** The spans that a result's buckets are put into: those that were there, less what a larger zero bucket has taken in. */
function startSpans(
  spans: readonly Span[],
  { indexes, counts }: Buckets,
  before: Histogram,
  result: Histogram,
): readonly Span[] {
  if (before.customBounds.length !== result.customBounds.length) return []
  if (before.zeroThreshold === result.zeroThreshold) return spans
  const isLeft = (index: number, i: number) =>
    counts[i] !== 0 && exponentialBound(index - 1, before.schema) >= result.zeroThreshold
  return spansOf(indexes.filter(isLeft))
}

/** Spans without gaps or neighbours that touch. */
function spansOf(indexes: readonly number[]): readonly Span[] {
  return spansWith([], indexes)
}

/** The spans with every index in them, ascending: a new one lengthens the span before it, else the one behind it. */
function spansWith(spans: readonly Span[], indexes: readonly number[]): readonly Span[] {
  const there = bucketIndices(spans)
  if (there.length === indexes.length) return spans
  const runs: { start: number; end: number }[] = []
  let at = 0
  for (const { offset, length } of spans) {
    runs.push({ start: at + offset, end: at + offset + length })
    at += offset + length
  }
  const known = new Set(there)
  let next = 0
  for (const index of indexes) {
    if (known.has(index)) continue
    while (next < runs.length && runs[next]!.end < index) next++
    const run = runs[next]
    if (run?.end === index) run.end++
    else if (run?.start === index + 1) run.start--
    else runs.splice(next, 0, { start: index, end: index + 1 })
  }
  return runs.map(({ start, end }, i) => ({ offset: start - (runs[i - 1]?.end ?? 0), length: end - start }))
}

function chunkHistogram(h: Histogram, positiveSpans: readonly Span[], negativeSpans: readonly Span[]): FloatHistogram {
  return {
    counterResetHint: h.hint,
    schema: h.schema,
    zeroThreshold: h.zeroThreshold,
    zeroCount: h.zeroCount,
    count: h.count,
    sum: h.sum,
    positiveSpans,
    negativeSpans,
    positiveBuckets: Float64Array.from(h.positive.counts),
    negativeBuckets: Float64Array.from(h.negative.counts),
    customValues: Float64Array.from(h.customBounds),
  }
}
