// A run of overlapping chunks of which one at least is not plain XOR: merged sample by sample, whatever they hold.
// Algorithm: overlap.ts's, over samples as objects. Floats keep their start timestamps in XOR2 chunks, histograms their kind.
// Owns nothing; slow next to overlap.ts, for chunks that seldom overlap.
import { cutHistograms, type EncodedChunk, samplesPerChunk } from '../chunkenc/cut-histograms.ts'
import { decodeFloatChunk } from '../chunkenc/decode-floats.ts'
import { decodeHistogramChunk, isHistogramEncoding } from '../chunkenc/decode-histogram.ts'
import { chunkEncoding, sampleCount } from '../chunkenc/encoding.ts'
import type { HistogramSample } from '../chunkenc/float-histogram.ts'
import { penaltyStart, walkChain, walkPenalty } from '../dedup/walk.ts'
import type { Kernels } from '../kernels/kernels.ts'
import type { BlockChunk } from './block-writer.ts'

interface FloatSample {
  readonly timeMs: number
  readonly startTimeMs: number
  /** The value's bits: no NaN changes. */
  readonly bits: bigint
}

export type MixedSample = FloatSample | HistogramSample

/** The chunk's samples. Throws `corrupt`, `unsupported`. */
export function decodeMixed({ encoding, data }: BlockChunk, kernels: Kernels): MixedSample[] {
  if (isHistogramEncoding(encoding)) return decodeHistogramChunk(encoding, data)
  const columns = kernels.columns()
  const mark = kernels.mark()
  try {
    const startsPtr = encoding === chunkEncoding.xor2 ? kernels.alloc(sampleCount(encoding, data) * 8) : 0
    if (startsPtr) kernels.decodeXor2(data, columns, startsPtr)
    else decodeFloatChunk(encoding, data, columns)
    const starts = startsPtr ? kernels.f64(startsPtr, columns.length) : undefined
    const bits = columns.valueBits()
    return Array.from(columns.times(), (timeMs, i) => ({ timeMs, startTimeMs: starts?.[i] ?? 0, bits: bits[i]! }))
  } finally {
    kernels.release(mark)
    columns.free()
  }
}

/** The runs' samples as one, chunk by chunk: every time once, or one replica's at a time. */
export function mergeMixed(runs: readonly MixedSample[][], overlap: 'one-to-one' | 'penalty'): MixedSample[] {
  return runs.reduce((merged, next) => {
    const times = timesOf(merged)
    const nextTimes = timesOf(next)
    const out: MixedSample[] = []
    const taker = { takeA: (i: number) => out.push(merged[i]!), takeB: (i: number) => out.push(next[i]!) }
    if (overlap === 'one-to-one') {
      walkChain(times, nextTimes, taker)
      return out
    }
    const from = penaltyStart(times, 0, nextTimes[0]!)
    walkPenalty(times, nextTimes, taker, from)
    return [...merged.slice(0, from.ia), ...out]
  })
}

const timesOf = (samples: readonly MixedSample[]) => Float64Array.from(samples, ({ timeMs }) => timeMs)

/** The samples as chunks of at most 120, each of one kind. */
export function encodeMixed(samples: readonly MixedSample[], kernels: Kernels): EncodedChunk[] {
  const chunks: EncodedChunk[] = []
  for (let from = 0; from < samples.length; ) {
    let to = from + 1
    while (to < samples.length && isFloat(samples[to]!) === isFloat(samples[from]!)) to++
    const run = samples.slice(from, to)
    if (isFloat(run[0]!)) {
      for (let at = 0; at < run.length; at += samplesPerChunk)
        chunks.push(encodeFloats(run.slice(at, at + samplesPerChunk).filter(isFloat), kernels))
    } else chunks.push(...cutHistograms(run.filter(isHistogram)))
    from = to
  }
  return chunks
}

function isFloat(sample: MixedSample): sample is FloatSample {
  return 'bits' in sample
}

function isHistogram(sample: MixedSample): sample is HistogramSample {
  return !isFloat(sample)
}

/** XOR, or XOR2 where a start timestamp is known. */
function encodeFloats(samples: readonly FloatSample[], kernels: Kernels): EncodedChunk {
  const columns = kernels.columns()
  const mark = kernels.mark()
  try {
    for (const { timeMs, bits } of samples) columns.pushBits(timeMs, bits)
    const { length } = samples
    const span = { minTime: samples[0]!.timeMs, maxTime: samples.at(-1)!.timeMs, numSamples: length }
    if (samples.every(({ startTimeMs }) => startTimeMs === 0))
      return { ...span, encoding: chunkEncoding.xor, data: kernels.encodeXor(columns, 0, length) }
    const startsPtr = kernels.alloc(length * 8)
    kernels.f64(startsPtr, length).set(samples.map(({ startTimeMs }) => startTimeMs))
    return { ...span, encoding: chunkEncoding.xor2, data: kernels.encodeXor2(columns, 0, length, startsPtr) }
  } finally {
    kernels.release(mark)
    columns.free()
  }
}
