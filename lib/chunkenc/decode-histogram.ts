// Decoder of histogram chunks: integers (2), floats (3) and both with start timestamps (5, 6).
//
//   sample 1: t, count, zero count, sum, positive buckets, negative buckets; then each as a change:
//   integers as differences of differences (varbit), floats and the sum as XOR. Kinds 5 and 6 add a start timestamp.
//   A stale sample ends behind its sum.
//
// Specification: Prometheus tsdb/chunkenc/{histogram,float_histogram,st}.go.
// Owns the checks: never more memory than the chunk's bits can fill.
import { MnemoError } from '../kit/errors.ts'
import { BitReader, floatOfWords, numberOfWords, XorState } from './bit-reader.ts'
import { DoubleDelta } from './double-delta.ts'
import { chunkEncoding, encodingName } from './encoding.ts'
import { type CounterResetHint, countBuckets, type FloatHistogram, type HistogramSample } from './float-histogram.ts'
import { type HistogramHeader, type HistogramLayout, readHistogramHeader, readLayout } from './histogram-layout.ts'
import { atKnownSchema } from './reduce-schema.ts'
import { isStaleWords } from './stale.ts'

/** The chunk encodings that hold native histograms. */
export function isHistogramEncoding(encoding: number): boolean {
  return (
    encoding === chunkEncoding.histogram ||
    encoding === chunkEncoding.floatHistogram ||
    encoding === chunkEncoding.histogramSt ||
    encoding === chunkEncoding.floatHistogramSt
  )
}

/**
 * The samples of a chunk (its bytes without length, encoding and checksum), in order of time. Arrays are the samples' own,
 * spans and custom values shared. Throws `corrupt` for bad bytes, `unsupported` for another encoding or an unknown schema.
 */
export function decodeHistogramChunk(encoding: number, chunk: Uint8Array): HistogramSample[] {
  if (!isHistogramEncoding(encoding))
    throw new MnemoError('unsupported', `cannot decode chunk: got ${encodingName(encoding)}, want a histogram encoding`)
  const header = readHistogramHeader(encoding, chunk)
  if (header.count === 0) return []
  const reader = new BitReader(encodingName(encoding), chunk, 3)
  const layout = readLayout(reader)
  const integer = encoding === chunkEncoding.histogram || encoding === chunkEncoding.histogramSt
  const counts = integer ? new IntegerCounts(reader, layout) : new FloatCounts(reader, layout)
  return decodeSamples({ reader, header, layout, counts, integer })
}

/** The fields of a sample behind its time: moved on by `first` and `next`, which tell whether the sample is stale. */
interface Counts {
  first(): boolean
  next(): boolean
  readonly sum: XorState
  count(): number
  zeroCount(): number
  positiveBuckets(): Float64Array
  negativeBuckets(): Float64Array
}

interface Decoding {
  readonly reader: BitReader
  readonly header: HistogramHeader
  readonly layout: HistogramLayout
  readonly counts: Counts
  readonly integer: boolean
}

function decodeSamples({ reader, header, layout, counts, integer }: Decoding): HistogramSample[] {
  const samples: HistogramSample[] = []
  const time = new DoubleDelta(1)
  const starts = new StartTimes(header)
  let timeMs = 0
  for (let i = 0; i < header.count; i++) {
    const lastMs = timeMs
    reader.varbitInt()
    if (i === 0) time.start(0, reader)
    else time.step(0, reader)
    const stale = i === 0 ? counts.first() : counts.next()
    timeMs = clampMs(time.signed(0))
    const startTimeMs = starts.read(reader, i, timeMs, lastMs)
    const histogram = stale ? staleHistogram() : atKnownSchema(histogramOf(layout, counts, hintOf(header.reset, i)))
    samples.push({ timeMs, startTimeMs, stale, integer, histogram })
  }
  return samples
}

/** Only a gauge chunk, or a place behind the first sample, tells for sure: the chunk before this one may be another. */
function hintOf(header: CounterResetHint, index: number): CounterResetHint {
  return header === 'gauge' ? 'gauge' : index > 0 ? 'not_reset' : 'unknown'
}

function histogramOf(layout: HistogramLayout, counts: Counts, counterResetHint: CounterResetHint): FloatHistogram {
  return {
    counterResetHint,
    schema: layout.schema,
    zeroThreshold: layout.zeroThreshold,
    zeroCount: counts.zeroCount(),
    count: counts.count(),
    sum: floatOfWords(counts.sum.hi, counts.sum.lo),
    positiveSpans: layout.positiveSpans,
    negativeSpans: layout.negativeSpans,
    positiveBuckets: counts.positiveBuckets(),
    negativeBuckets: counts.negativeBuckets(),
    customValues: layout.customValues,
  }
}

const none = new Float64Array()

/** What a stale marker holds: nothing, and a sum that is not a number. */
export function staleHistogram(): FloatHistogram {
  return {
    counterResetHint: 'unknown',
    schema: 0,
    zeroThreshold: 0,
    zeroCount: 0,
    count: 0,
    sum: Number.NaN,
    positiveSpans: [],
    negativeSpans: [],
    positiveBuckets: none,
    negativeBuckets: none,
    customValues: none,
  }
}

function clampMs(timeMs: number): number {
  return Math.min(Math.max(timeMs, -Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
}

class IntegerCounts implements Counts {
  readonly sum = new XorState()
  readonly #reader: BitReader
  /** Count and zero count. */
  readonly #totals = new DoubleDelta(2)
  readonly #positive: DoubleDelta
  readonly #negative: DoubleDelta

  constructor(reader: BitReader, layout: HistogramLayout) {
    this.#reader = reader
    this.#positive = new DoubleDelta(countBuckets(layout.positiveSpans))
    this.#negative = new DoubleDelta(countBuckets(layout.negativeSpans))
  }

  first(): boolean {
    const reader = this.#reader
    for (const i of [0, 1]) {
      reader.varbitUint()
      this.#totals.start(i, reader)
    }
    reader.wide(64)
    this.sum.hi = reader.hi
    this.sum.lo = reader.lo
    for (const buckets of [this.#positive, this.#negative])
      for (let i = 0; i < buckets.length; i++) {
        reader.varbitInt()
        buckets.start(i, reader)
      }
    return isStaleWords(this.sum)
  }

  next(): boolean {
    const reader = this.#reader
    this.#step(this.#totals)
    reader.xor(this.sum)
    if (isStaleWords(this.sum)) return true
    this.#step(this.#positive)
    this.#step(this.#negative)
    return false
  }

  #step(row: DoubleDelta): void {
    for (let i = 0; i < row.length; i++) {
      this.#reader.varbitInt()
      row.step(i, this.#reader)
    }
  }

  count(): number {
    return this.#totals.unsigned(0)
  }

  zeroCount(): number {
    return this.#totals.unsigned(1)
  }

  positiveBuckets(): Float64Array {
    return this.#positive.totals()
  }

  negativeBuckets(): Float64Array {
    return this.#negative.totals()
  }
}

class FloatCounts implements Counts {
  readonly sum = new XorState()
  readonly #reader: BitReader
  readonly #count = new XorState()
  readonly #zeroCount = new XorState()
  readonly #positive: XorState[]
  readonly #negative: XorState[]

  constructor(reader: BitReader, layout: HistogramLayout) {
    this.#reader = reader
    const buckets = countBuckets(layout.positiveSpans) + countBuckets(layout.negativeSpans)
    // A first sample's bucket takes 64 bits.
    if (buckets * 64 > reader.remainingBits)
      reader.fail(`got ${buckets} buckets and ${reader.remainingBits} bits for them`)
    this.#positive = Array.from({ length: countBuckets(layout.positiveSpans) }, () => new XorState())
    this.#negative = Array.from({ length: countBuckets(layout.negativeSpans) }, () => new XorState())
  }

  first(): boolean {
    const reader = this.#reader
    const plain = (state: XorState): void => {
      reader.wide(64)
      state.hi = reader.hi
      state.lo = reader.lo
    }
    plain(this.#count)
    plain(this.#zeroCount)
    plain(this.sum)
    this.#positive.forEach(plain)
    this.#negative.forEach(plain)
    return isStaleWords(this.sum)
  }

  next(): boolean {
    const reader = this.#reader
    reader.xor(this.#count)
    reader.xor(this.#zeroCount)
    reader.xor(this.sum)
    if (isStaleWords(this.sum)) return true
    for (const state of this.#positive) reader.xor(state)
    for (const state of this.#negative) reader.xor(state)
    return false
  }

  count(): number {
    return floatOfWords(this.#count.hi, this.#count.lo)
  }

  zeroCount(): number {
    return floatOfWords(this.#zeroCount.hi, this.#zeroCount.lo)
  }

  positiveBuckets(): Float64Array {
    return valuesOf(this.#positive)
  }

  negativeBuckets(): Float64Array {
    return valuesOf(this.#negative)
  }
}

function valuesOf(states: readonly XorState[]): Float64Array {
  const values = new Float64Array(states.length)
  for (const [i, { hi, lo }] of states.entries()) values[i] = floatOfWords(hi, lo)
  return values
}

/** Start timestamps: the first by its distance from the first time, from the first change on by the distance from the last sample's time. */
class StartTimes {
  readonly #header: HistogramHeader
  #startMs = 0
  #distanceMs = 0

  constructor(header: HistogramHeader) {
    this.#header = header
  }

  read(reader: BitReader, index: number, timeMs: number, lastMs: number): number {
    const { firstStart, startsChangeAt } = this.#header
    if (index === 0) {
      if (firstStart) {
        reader.varint()
        this.#startMs = clampMs(timeMs - numberOfWords(reader.hi, reader.lo))
      }
    } else if (startsChangeAt > 0 && index >= startsChangeAt) {
      reader.varbitInt()
      const change = numberOfWords(reader.hi, reader.lo)
      this.#distanceMs = index === startsChangeAt ? change : this.#distanceMs + change
      this.#startMs = clampMs(lastMs - this.#distanceMs)
    }
    return this.#startMs
  }
}
