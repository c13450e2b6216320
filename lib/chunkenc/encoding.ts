// The encodings that a chunk's encoding byte names, and what can be told of a chunk without decoding it.
// Specification: Prometheus tsdb/chunkenc/chunk.go; 0xff is Thanos's aggregate chunk (pkg/compact/downsample/aggr.go).
// Owns the numbers and names; StoreAPI's enum is the file's number minus 1.
import { MnemoError } from '../kit/errors.ts'
import { splitAggregates } from './aggregate.ts'

export const chunkEncoding = {
  xor: 1,
  histogram: 2,
  floatHistogram: 3,
  xor2: 4,
  histogramSt: 5,
  floatHistogramSt: 6,
  aggregate: 0xff,
} as const

/** The top two bits of a count hold the counter reset hint where histograms have start timestamps. */
export const startedHistogramCountMask = 0x3fff

const names = new Map<number, string>([
  [chunkEncoding.xor, 'XOR'],
  [chunkEncoding.histogram, 'histogram'],
  [chunkEncoding.floatHistogram, 'float histogram'],
  [chunkEncoding.xor2, 'XOR2'],
  [chunkEncoding.histogramSt, 'histogram with start timestamps'],
  [chunkEncoding.floatHistogramSt, 'float histogram with start timestamps'],
  [chunkEncoding.aggregate, 'aggregate'],
])

/** The encoding's name in messages; `unknown encoding N` for a number that no one has given out. */
export function encodingName(encoding: number): string {
  return names.get(encoding) ?? `unknown encoding ${encoding}`
}

/**
 * Samples in a chunk (its bytes without length, encoding and checksum), from its header; those of an aggregate chunk are its windows.
 * Throws `corrupt` where the header is cut off, `unsupported` for an unknown encoding.
 */
export function sampleCount(encoding: number, chunk: Uint8Array): number {
  if (!names.has(encoding))
    throw new MnemoError('unsupported', `cannot count samples of chunk: got ${encodingName(encoding)}`)
  if (encoding === chunkEncoding.aggregate) {
    const count = splitAggregates(chunk).count
    return count === undefined ? 0 : sampleCount(count.encoding, count.data)
  }
  if (chunk.length < 2)
    throw new MnemoError('corrupt', `cannot count samples of chunk: got ${chunk.length} bytes, want at least 2`)
  const count = (chunk[0]! << 8) | chunk[1]!
  return encoding === chunkEncoding.histogramSt || encoding === chunkEncoding.floatHistogramSt
    ? count & startedHistogramCountMask
    : count
}
