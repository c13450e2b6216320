// Encoder of histogram chunks, byte for byte as Prometheus's appenders write them; decode-histogram.ts has the format.
// Specification: Prometheus tsdb/chunkenc/{histogram,float_histogram,histogram_meta,st}.go.
// Owns the bytes of one chunk; which samples go into it, and their common layout, is cut-histograms.ts's matter.
import { MnemoError } from '../kit/errors.ts'
import { BitWriter, wordsOfFloat, XorWindow } from './bit-writer.ts'
import { chunkEncoding, startedHistogramCountMask } from './encoding.ts'
import { type CounterResetHint, countBuckets, customBucketsSchema, type HistogramSample } from './float-histogram.ts'
import { type HistogramLayout, hasStartTimes, histogramHeaderBytes, resetHeaders } from './histogram-layout.ts'
import { staleHi, staleLo } from './stale.ts'

/** Of times and counts up to this, differences of differences are exact. */
export const maxExactInteger = 2 ** 51

export interface HistogramChunk {
  readonly encoding: number
  /** What the chunk's header says of resets. */
  readonly reset: CounterResetHint
  readonly layout: HistogramLayout
  /** All of the layout or stale; behind a stale one only stale ones. */
  readonly samples: readonly HistogramSample[]
}

/** From here on start timestamps are written even where none has changed: the header has seven bits for the place. */
const lastChangeAt = 127

/** A chunk's bytes, without length, encoding and checksum. Throws `unsupported` where times or counts are too large to be exact. */
export function encodeHistogramChunk({ encoding, reset, layout, samples }: HistogramChunk): Uint8Array {
  const started = hasStartTimes(encoding)
  const most = started ? startedHistogramCountMask : 0xffff
  if (samples.length > most)
    throw new MnemoError(
      'internal',
      `cannot encode histogram chunk: got ${samples.length} samples, want at most ${most}`,
    )
  const out = new BitWriter()
  out.bits(0, histogramHeaderBytes * 8)
  const header = { firstStart: false, startsChangeAt: 0 }
  if (samples.length > 0) {
    writeLayout(out, layout)
    const integer = encoding === chunkEncoding.histogram || encoding === chunkEncoding.histogramSt
    const fields = integer ? new IntegerFields(out, layout) : new FloatFields(out, layout)
    writeSamples(out, samples, fields, started ? header : undefined)
  }
  const bytes = out.copyBytes()
  const resetBits = resetHeaders.indexOf(reset)
  bytes[0] = samples.length >> 8
  bytes[1] = samples.length
  if (started) {
    bytes[0] |= resetBits << 6
    bytes[2] = (header.firstStart ? 0x80 : 0) | header.startsChangeAt
  } else bytes[2] = resetBits << 6
  return bytes
}

interface Starts {
  firstStart: boolean
  startsChangeAt: number
}

/** Writes a sample's fields behind its time; the first ones plain. */
interface Fields {
  write(sample: HistogramSample, first: boolean): void
}

function writeSamples(
  out: BitWriter,
  samples: readonly HistogramSample[],
  fields: Fields,
  starts: Starts | undefined,
): void {
  let timeMs = 0
  let delta = 0
  let startMs = 0
  let distance = 0
  for (const [i, sample] of samples.entries()) {
    exact(sample.timeMs)
    const nextDelta = i === 0 ? 0 : sample.timeMs - timeMs
    out.varbitInt(i === 0 ? sample.timeMs : nextDelta - delta)
    fields.write(sample, i === 0)
    if (starts) {
      const start = exact(sample.startTimeMs)
      const nextDistance = timeMs - start
      if (i === 0) {
        starts.firstStart = start !== 0
        if (starts.firstStart) out.varint(sample.timeMs - start)
      } else if (starts.startsChangeAt > 0) out.varbitInt(nextDistance - distance)
      else if (start !== startMs || i === lastChangeAt) {
        starts.startsChangeAt = i
        out.varbitInt(nextDistance)
      }
      distance = nextDistance
      startMs = start
    }
    delta = nextDelta
    timeMs = sample.timeMs
  }
}

function exact(value: number): number {
  if (!(Math.abs(value) <= maxExactInteger && Number.isInteger(value)))
    throw new MnemoError('unsupported', `cannot encode histogram: got ${value}, want an integer of at most 2^51`)
  return value
}

/** Integers as differences of differences. A bucket is stored as its difference from the bucket before it. */
class IntegerFields implements Fields {
  readonly #out: BitWriter
  /** Count, zero count, then the buckets; their last values and deltas. */
  readonly #last: Float64Array
  readonly #delta: Float64Array
  readonly #sum = new XorWindow()

  constructor(out: BitWriter, layout: HistogramLayout) {
    const length = 2 + countBuckets(layout.positiveSpans) + countBuckets(layout.negativeSpans)
    this.#out = out
    this.#last = new Float64Array(length)
    this.#delta = new Float64Array(length)
  }

  write({ histogram, stale }: HistogramSample, first: boolean): void {
    if (first) {
      for (const [i, value] of [histogram.count, histogram.zeroCount].entries()) {
        this.#last[i] = exact(value)
        this.#out.varbitUint(value)
      }
    } else if (stale) this.#out.bits(0, 2)
    else {
      this.#step(0, histogram.count)
      this.#step(1, histogram.zeroCount)
    }
    writeSum(this.#out, this.#sum, { sum: histogram.sum, stale, first })
    if (stale) return
    let at = 2
    for (const buckets of [histogram.positiveBuckets, histogram.negativeBuckets]) {
      let before = 0
      for (const bucket of buckets) {
        if (first) {
          this.#last[at] = exact(bucket) - before
          this.#out.varbitInt(bucket - before)
        } else this.#step(at, exact(bucket) - before)
        before = bucket
        at++
      }
    }
  }

  #step(at: number, value: number): void {
    const delta = exact(value) - this.#last[at]!
    this.#out.varbitInt(delta - this.#delta[at]!)
    this.#last[at] = value
    this.#delta[at] = delta
  }
}

/** Floats, each XOR-ed with the one before it. */
class FloatFields implements Fields {
  readonly #out: BitWriter
  readonly #count = new XorWindow()
  readonly #zeroCount = new XorWindow()
  readonly #sum = new XorWindow()
  readonly #buckets: XorWindow[]

  constructor(out: BitWriter, layout: HistogramLayout) {
    this.#out = out
    const length = countBuckets(layout.positiveSpans) + countBuckets(layout.negativeSpans)
    this.#buckets = Array.from({ length }, () => new XorWindow())
  }

  write({ histogram, stale }: HistogramSample, first: boolean): void {
    const next = (window: XorWindow, value: number): void => {
      const { hi, lo } = wordsOfFloat(value)
      writeWords(this.#out, window, { hi, lo, first })
    }
    next(this.#count, histogram.count)
    next(this.#zeroCount, histogram.zeroCount)
    writeSum(this.#out, this.#sum, { sum: histogram.sum, stale, first })
    if (stale) return
    const { positiveBuckets, negativeBuckets } = histogram
    for (const [i, bucket] of positiveBuckets.entries()) next(this.#buckets[i]!, bucket)
    for (const [i, bucket] of negativeBuckets.entries()) next(this.#buckets[positiveBuckets.length + i]!, bucket)
  }
}

function writeSum(out: BitWriter, window: XorWindow, sample: { sum: number; stale: boolean; first: boolean }): void {
  // A stale marker's bits never travel through a number.
  const { hi, lo } = sample.stale ? { hi: staleHi, lo: staleLo } : wordsOfFloat(sample.sum)
  writeWords(out, window, { hi, lo, first: sample.first })
}

function writeWords(out: BitWriter, window: XorWindow, value: { hi: number; lo: number; first: boolean }): void {
  const { hi, lo, first } = value
  if (!first) {
    out.xor(window, hi, lo)
    return
  }
  out.wide(hi, lo, 64)
  window.hi = hi
  window.lo = lo
}

function writeLayout(out: BitWriter, layout: HistogramLayout): void {
  writeZeroThreshold(out, layout.zeroThreshold)
  out.varbitInt(layout.schema)
  for (const spans of [layout.positiveSpans, layout.negativeSpans]) {
    out.varbitUint(spans.length)
    for (const { offset, length } of spans) {
      out.varbitUint(length)
      out.varbitInt(offset)
    }
  }
  if (layout.schema !== customBucketsSchema) return
  out.varbitUint(layout.customValues.length)
  for (const bound of layout.customValues) writeCustomBound(out, bound)
}

/** 0; or a power of two by its exponent, 2^-243 to 2^10; or 255 and a float64. */
function writeZeroThreshold(out: BitWriter, threshold: number): void {
  const { hi, lo } = wordsOfFloat(threshold)
  const exponent = (hi >>> 20) - 1023
  if (threshold === 0) out.bits(0, 8)
  else if (lo === 0 && (hi & 0xf_ffff) === 0 && exponent >= -243 && exponent <= 10) out.bits(exponent + 244, 8)
  else {
    out.bits(255, 8)
    out.wide(hi, lo, 64)
  }
}

/** Whole thousandths up to 33554.430 as varbit integers, one more than they are; else a zero bit and a float64. */
function writeCustomBound(out: BitWriter, bound: number): void {
  const thousandths = Math.round(bound * 1000)
  if (bound * 1000 >= 0 && bound * 1000 <= 33_554_430 && thousandths / 1000 === bound) out.varbitUint(thousandths + 1)
  else {
    out.bits(0, 1)
    out.float(bound)
  }
}

/** The chunk encoding for samples of a kind. */
export function histogramEncoding(kind: { readonly integer: boolean; readonly started: boolean }): number {
  if (kind.integer) return kind.started ? chunkEncoding.histogramSt : chunkEncoding.histogram
  return kind.started ? chunkEncoding.floatHistogramSt : chunkEncoding.floatHistogram
}
