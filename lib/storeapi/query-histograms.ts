// Native histograms in answers of the gRPC Query API: float histograms, as the engine computes them.
// Specification: proto/timeseries.proto (Histogram); Thanos pkg/store/storepb/prompb/samples.go. Field numbers stand beside each write.
// Owns nothing.
import { spansOf } from '../chunkenc/cut-histograms.ts'
import type { CounterResetHint } from '../chunkenc/float-histogram.ts'
import type { Buckets, Histogram } from '../histogram/histogram.ts'
import type { ProtoWriter } from './proto-writer.ts'

export interface AnsweredHistogram {
  readonly timeMs: number
  readonly histogram: Histogram
}

/** ResetHint's numbers. */
const hints: Readonly<Record<CounterResetHint, number>> = { unknown: 0, reset: 1, not_reset: 2, gauge: 3 }

/** The fields of a Histogram. */
export function writeHistogram(writer: ProtoWriter, { timeMs, histogram }: AnsweredHistogram): void {
  // Members of a oneof: written also where they are 0, for they say that the counts are floats.
  writeDouble(writer, 2, histogram.count)
  if (!Object.is(histogram.sum, 0)) writeDouble(writer, 3, histogram.sum)
  writer.intField(4, zigzag(histogram.schema))
  if (histogram.zeroThreshold !== 0) writeDouble(writer, 5, histogram.zeroThreshold)
  writeDouble(writer, 7, histogram.zeroCount)
  writeBuckets(writer, { spans: 8, counts: 10 }, histogram.negative)
  writeBuckets(writer, { spans: 11, counts: 13 }, histogram.positive)
  writer.intField(14, hints[histogram.hint])
  writer.intField(15, timeMs)
  writeDoubles(writer, 16, histogram.customBounds)
}

function writeBuckets(
  writer: ProtoWriter,
  fields: { readonly spans: number; readonly counts: number },
  { indexes, counts }: Buckets,
): void {
  for (const { offset, length } of spansOf(indexes))
    writer.message(fields.spans, (span) => {
      span.intField(1, zigzag(offset))
      span.intField(2, length)
    })
  writeDoubles(writer, fields.counts, counts)
}

/** sint32. */
function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0
}

const fixed64 = 1

function writeDouble(writer: ProtoWriter, field: number, value: number): void {
  writer.varint(field * 8 + fixed64)
  writer.raw(bytesOf([value]))
}

/** A packed repeated field; nothing where there is none. */
function writeDoubles(writer: ProtoWriter, field: number, values: readonly number[]): void {
  if (values.length === 0) return
  const bytes = bytesOf(values)
  writer.delimited(field, bytes.length)
  writer.raw(bytes)
}

function bytesOf(values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 8)
  for (let i = 0; i < values.length; i++) bytes.writeDoubleLE(values[i]!, i * 8)
  return bytes
}
