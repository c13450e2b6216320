// Takes deleted times out of a chunk: what is left is encoded anew, in the encoding that it had.
// Definition: Prometheus tsdb/querier.go (DeletedIterator); intervals are a block's tombstones.
// Owns the choice of what is left; a chunk that no interval touches keeps its bytes.
import type { Kernels, SampleColumns } from '../kernels/kernels.ts'
import { cutHistograms, type EncodedChunk } from './cut-histograms.ts'
import { isFloatEncoding } from './decode-floats.ts'
import { decodeHistogramChunk, isHistogramEncoding } from './decode-histogram.ts'
import { dropWindows } from './drop-windows.ts'
import { chunkEncoding } from './encoding.ts'

/** Both ends included, in ms. */
export interface DeletedInterval {
  readonly minTime: number
  readonly maxTime: number
}

/** Whether an interval touches the times. */
export function isTouched(
  { minTime, maxTime }: DeletedInterval,
  intervals: readonly DeletedInterval[] | undefined,
): boolean {
  return intervals?.some((interval) => interval.minTime <= maxTime && interval.maxTime >= minTime) ?? false
}

/**
 * A chunk's samples outside of the intervals (ascending and apart) as chunks: none where all are deleted, nearly always one
 * else. Of aggregate chunks those windows go that are deleted whole: one cannot be cut. Throws `corrupt`, `unsupported`.
 */
export function dropIntervals(
  chunk: EncodedChunk,
  intervals: readonly DeletedInterval[],
  kernels: Kernels,
): readonly EncodedChunk[] {
  if (!isTouched(chunk, intervals)) return [chunk]
  if (chunk.encoding === chunkEncoding.aggregate) return dropWindows(chunk, intervals, kernels)
  if (intervals.some(({ minTime, maxTime }) => minTime <= chunk.minTime && maxTime >= chunk.maxTime)) return []
  if (isHistogramEncoding(chunk.encoding)) {
    const samples = decodeHistogramChunk(chunk.encoding, chunk.data)
    return cutHistograms(samples.filter(({ timeMs }) => !isTouched({ minTime: timeMs, maxTime: timeMs }, intervals)))
  }
  return dropFloats(chunk, intervals, kernels)
}

function dropFloats(chunk: EncodedChunk, intervals: readonly DeletedInterval[], kernels: Kernels): EncodedChunk[] {
  const { encoding, data } = chunk
  const columns = kernels.columns()
  const mark = kernels.mark()
  try {
    const started = encoding === chunkEncoding.xor2
    const startsPtr = started ? kernels.alloc(maxSamples(data) * 8) : 0
    if (started) kernels.decodeXor2(data, columns, startsPtr)
    else if (isFloatEncoding(encoding)) kernels.decodeXor(data, columns)
    const kept = keepOutside(columns, started ? kernels.f64(startsPtr, columns.length) : undefined, intervals)
    if (kept === 0) return []
    columns.length = kept
    const times = columns.times()
    const span = { minTime: times[0]!, maxTime: times[kept - 1]!, numSamples: kept, encoding }
    const encode = started ? kernels.encodeXor2(columns, 0, kept, startsPtr) : kernels.encodeXor(columns, 0, kept)
    return [{ ...span, data: encode }]
  } finally {
    kernels.release(mark)
    columns.free()
  }
}

function maxSamples(data: Uint8Array): number {
  return data.length < 2 ? 0 : (data[0]! << 8) | data[1]!
}

/** Moves what lies outside of the intervals to the front, values as bits; returns how many there are. */
function keepOutside(
  columns: SampleColumns,
  starts: Float64Array | undefined,
  intervals: readonly DeletedInterval[],
): number {
  const times = columns.times()
  const bits = columns.valueBits()
  let kept = 0
  for (const [i, time] of times.entries()) {
    if (isTouched({ minTime: time, maxTime: time }, intervals)) continue
    times[kept] = time
    bits[kept] = bits[i]!
    if (starts) starts[kept] = starts[i]!
    kept++
  }
  return kept
}
