// The layout in front of a histogram chunk's samples: schema, zero threshold, spans and custom bounds, the same for all samples.
//
//   header 3 bytes │ zero threshold │ schema │ positive spans │ negative spans │ custom bounds (schema −53) │ samples…
//
// Specification: Prometheus tsdb/chunkenc/histogram_meta.go.
// Owns the header's two forms and the caps on what a layout may claim.
import { MnemoError } from '../kit/errors.ts'
import { type BitReader, floatOfWords } from './bit-reader.ts'
import { chunkEncoding, encodingName, startedHistogramCountMask } from './encoding.ts'
import { type CounterResetHint, countBuckets, customBucketsSchema, type Span } from './float-histogram.ts'
import { isReadableSchema, readableSchemas } from './reduce-schema.ts'

export const histogramHeaderBytes = 3

/** What the header's first two bits say of the chunk as a whole, by their number. */
export const resetHeaders = ['unknown', 'not_reset', 'reset', 'gauge'] as const satisfies CounterResetHint[]

export interface HistogramHeader {
  readonly count: number
  readonly reset: CounterResetHint
  /** The first sample's start timestamp is known; the sample from which on each has one (0: none). Kinds 5 and 6. */
  readonly firstStart: boolean
  readonly startsChangeAt: number
}

export interface HistogramLayout {
  readonly schema: number
  readonly zeroThreshold: number
  readonly positiveSpans: readonly Span[]
  readonly negativeSpans: readonly Span[]
  readonly customValues: Float64Array
}

/** Samples with start timestamps (kinds 5 and 6). */
export function hasStartTimes(encoding: number): boolean {
  return encoding === chunkEncoding.histogramSt || encoding === chunkEncoding.floatHistogramSt
}

/** The first three bytes. Throws `corrupt` where the chunk is shorter. */
export function readHistogramHeader(encoding: number, chunk: Uint8Array): HistogramHeader {
  if (chunk.length < histogramHeaderBytes)
    throw new MnemoError(
      'corrupt',
      `cannot decode ${encodingName(encoding)} chunk: got ${chunk.length} bytes, want at least ${histogramHeaderBytes}`,
    )
  const count = (chunk[0]! << 8) | chunk[1]!
  const third = chunk[2]!
  return hasStartTimes(encoding)
    ? {
        count: count & startedHistogramCountMask,
        reset: resetHeaders[count >> 14]!,
        firstStart: third >= 0x80,
        startsChangeAt: third & 0x7f,
      }
    : { count, reset: resetHeaders[third >> 6]!, firstStart: false, startsChangeAt: 0 }
}

/** The layout at the reader. Throws `corrupt` where it claims more than the chunk can hold, `unsupported` for an unknown schema. */
export function readLayout(reader: BitReader): HistogramLayout {
  const zeroThreshold = readZeroThreshold(reader)
  reader.varbitInt()
  const schema = reader.lo | 0
  if (!isReadableSchema(schema))
    throw new MnemoError('unsupported', `cannot decode histogram: got schema ${schema}, want ${readableSchemas}`)
  const positiveSpans = readSpans(reader)
  const negativeSpans = readSpans(reader)
  const customValues = schema === customBucketsSchema ? readCustomBounds(reader) : new Float64Array()
  const buckets = countBuckets(positiveSpans) + countBuckets(negativeSpans)
  if (buckets > reader.remainingBits) reader.fail(`got ${buckets} buckets and ${reader.remainingBits} bits for them`)
  return { schema, zeroThreshold, positiveSpans, negativeSpans, customValues }
}

/** 0; or a power of two by its exponent, 2^-243 to 2^10; or 255 and a float64. */
function readZeroThreshold(reader: BitReader): number {
  const byte = reader.bits(8)
  if (byte === 0) return 0
  if (byte < 255) return 2 ** (byte - 244)
  reader.wide(64)
  return floatOfWords(reader.hi, reader.lo)
}

function readSpans(reader: BitReader): Span[] {
  const count = readCount(reader, 'spans')
  const spans: Span[] = []
  for (let i = 0; i < count; i++) {
    const length = readCount(reader, 'buckets of a span')
    reader.varbitInt()
    spans.push({ offset: reader.lo | 0, length })
  }
  return spans
}

function readCustomBounds(reader: BitReader): Float64Array {
  const bounds = new Float64Array(readCount(reader, 'custom bounds'))
  for (let i = 0; i < bounds.length; i++) {
    reader.varbitUint()
    if (reader.hi !== 0 || reader.lo !== 0) bounds[i] = ((reader.hi >>> 0) * 2 ** 32 + reader.lo - 1) / 1000
    else {
      reader.wide(64)
      bounds[i] = floatOfWords(reader.hi, reader.lo)
    }
  }
  return bounds
}

/** A number of things of which each takes at least a bit. */
function readCount(reader: BitReader, what: string): number {
  reader.varbitUint()
  const count = (reader.hi >>> 0) * 2 ** 32 + reader.lo
  if (count > reader.remainingBits) reader.fail(`got ${count} ${what} and ${reader.remainingBits} bits for them`)
  return count
}
