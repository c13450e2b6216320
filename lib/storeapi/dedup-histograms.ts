// Reading series that have histogram chunks or start timestamps: samples of a lane in one list, lanes merged as those of floats are.
// Specification: Thanos pkg/dedup; a hint about counter resets holds only behind the sample that it was written behind.
// Owns this slow path; series of floats alone are dedup.ts's.
import { decodeFloatChunk, decodeStartedFloats, isFloatEncoding } from '../chunkenc/decode-floats.ts'
import { decodeHistogramChunk, isHistogramEncoding } from '../chunkenc/decode-histogram.ts'
import { chunkEncoding } from '../chunkenc/encoding.ts'
import type { Taker } from '../dedup/walk.ts'
import { type HistogramPoint, pointOf } from '../histogram/histogram.ts'
import type { SampleColumns } from '../kernels/columns.ts'
import type { AggrChunk } from './types.ts'

/** A float by its bits, or a histogram. */
type Sample = { readonly timeMs: number; readonly bits: bigint; readonly startTimeMs?: number } | HistogramPoint

type Walk = (timesA: ArrayLike<number>, timesB: ArrayLike<number>, taker: Taker) => void

/** StoreAPI's chunk type is the file's encoding minus 1; a chunk without raw samples is a downsampled one's aggregates. */
export function encodingOf({ raw }: AggrChunk): number {
  return raw === undefined ? chunkEncoding.aggregate : raw.type + 1
}

export function isHistogramChunk(chunk: AggrChunk): boolean {
  return isHistogramEncoding(encodingOf(chunk))
}

/** Whether the chunk may hold start timestamps of floats. */
export function hasStarts(chunk: AggrChunk): boolean {
  return encodingOf(chunk) === chunkEncoding.xor2
}

/** Appends the samples of lanes in the range. Throws `unsupported` and `corrupt` as the decoders do. */
export function readMixedLanes(
  lanes: readonly (readonly AggrChunk[])[],
  { walk, minTime, maxTime, scratch }: { walk: Walk; minTime: number; maxTime: number; scratch: SampleColumns },
  into: {
    readonly columns: SampleColumns
    readonly histograms: HistogramPoint[]
    readonly starts?: number[] | undefined
  },
): void {
  const started = into.starts !== undefined
  const decoded = lanes.map((lane) => decodeLane(lane, { minTime, maxTime, started }, scratch))
  const samples = decoded.reduce((a, b) => mergeLanes(a, b, walk))
  for (const sample of samples) {
    if (!('bits' in sample)) {
      into.histograms.push(sample)
      continue
    }
    into.columns.pushBits(sample.timeMs, sample.bits)
    into.starts?.push(sample.startTimeMs ?? 0)
  }
}

function decodeLane(
  lane: readonly AggrChunk[],
  { minTime, maxTime, started }: { minTime: number; maxTime: number; started: boolean },
  scratch: SampleColumns,
): Sample[] {
  const samples: Sample[] = []
  let after = minTime - 1
  for (const chunk of lane) {
    for (const sample of decodeChunk(chunk, scratch, started)) {
      // A chunk may hold more than it announced: time never goes back.
      if (sample.timeMs <= after || sample.timeMs > maxTime) continue
      after = sample.timeMs
      samples.push(sample)
    }
  }
  return samples
}

function decodeChunk(chunk: AggrChunk, scratch: SampleColumns, started: boolean): Sample[] {
  const encoding = encodingOf(chunk)
  const data = chunk.raw?.data ?? new Uint8Array()
  if (!isFloatEncoding(encoding)) {
    const samples = decodeHistogramChunk(encoding, data)
    if (!started) return samples.map(pointOf)
    return samples.map((sample) => ({ ...pointOf(sample), startTimeMs: sample.startTimeMs }))
  }
  scratch.clear()
  const starts = started ? decodeStartedFloats(encoding, data, scratch) : undefined
  if (!started) decodeFloatChunk(encoding, data, scratch)
  const bits = scratch.valueBits()
  const sampleAt = (timeMs: number, i: number): Sample => ({ timeMs, bits: bits[i]!, startTimeMs: starts?.[i] ?? 0 })
  return Array.from(scratch.times(), sampleAt)
}

function mergeLanes(a: readonly Sample[], b: readonly Sample[], walk: Walk): Sample[] {
  const merged: Sample[] = []
  let before: { from: readonly Sample[]; index: number } | undefined
  const take = (from: readonly Sample[], index: number) => {
    const follows = before?.from === from && before.index === index - 1
    merged.push(follows ? from[index]! : withoutHint(from[index]!))
    before = { from, index }
  }
  const timesOf = (samples: readonly Sample[]) => samples.map(({ timeMs }) => timeMs)
  walk(timesOf(a), timesOf(b), { takeA: (index) => take(a, index), takeB: (index) => take(b, index) })
  return merged
}

// Behind another sample than in its chunk, buckets have to be compared.
function withoutHint(sample: Sample): Sample {
  if ('bits' in sample || sample.histogram === undefined || sample.histogram.hint === 'gauge') return sample
  return { ...sample, histogram: { ...sample.histogram, hint: 'unknown' } }
}
