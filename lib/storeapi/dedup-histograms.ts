// Reading series that have histogram chunks: floats and histograms of a lane in one list, lanes merged as those of floats are.
// Specification: Thanos pkg/dedup; a hint about counter resets holds only behind the sample that it was written behind.
// Owns this slow path; series of float chunks alone are dedup.ts's.
import { decodeFloatChunk, isFloatEncoding } from '../chunkenc/decode-floats.ts'
import { decodeHistogramChunk, isHistogramEncoding } from '../chunkenc/decode-histogram.ts'
import { chunkEncoding } from '../chunkenc/encoding.ts'
import type { Taker } from '../dedup/walk.ts'
import { type HistogramPoint, pointOf } from '../histogram/histogram.ts'
import type { SampleColumns } from '../kernels/columns.ts'
import type { AggrChunk } from './types.ts'

/** A float by its bits, or a histogram. */
type Sample = { readonly timeMs: number; readonly bits: bigint } | HistogramPoint

type Walk = (timesA: ArrayLike<number>, timesB: ArrayLike<number>, taker: Taker) => void

/** StoreAPI's chunk type is the file's encoding minus 1; a chunk without raw samples is a downsampled one's aggregates. */
export function encodingOf({ raw }: AggrChunk): number {
  return raw === undefined ? chunkEncoding.aggregate : raw.type + 1
}

export function isHistogramChunk(chunk: AggrChunk): boolean {
  return isHistogramEncoding(encodingOf(chunk))
}

/** Appends the samples of lanes in the range. Throws `unsupported` and `corrupt` as the decoders do. */
export function readMixedLanes(
  lanes: readonly (readonly AggrChunk[])[],
  { walk, minTime, maxTime, scratch }: { walk: Walk; minTime: number; maxTime: number; scratch: SampleColumns },
  into: { readonly columns: SampleColumns; readonly histograms: HistogramPoint[] },
): void {
  const decoded = lanes.map((lane) => decodeLane(lane, { minTime, maxTime }, scratch))
  const samples = decoded.reduce((a, b) => mergeLanes(a, b, walk))
  for (const sample of samples) {
    if ('bits' in sample) into.columns.pushBits(sample.timeMs, sample.bits)
    else into.histograms.push(sample)
  }
}

function decodeLane(
  lane: readonly AggrChunk[],
  { minTime, maxTime }: { minTime: number; maxTime: number },
  scratch: SampleColumns,
): Sample[] {
  const samples: Sample[] = []
  let after = minTime - 1
  for (const chunk of lane) {
    for (const sample of decodeChunk(chunk, scratch)) {
      // A chunk may hold more than it announced: time never goes back.
      if (sample.timeMs <= after || sample.timeMs > maxTime) continue
      after = sample.timeMs
      samples.push(sample)
    }
  }
  return samples
}

function decodeChunk(chunk: AggrChunk, scratch: SampleColumns): Sample[] {
  const encoding = encodingOf(chunk)
  const data = chunk.raw?.data ?? new Uint8Array()
  if (!isFloatEncoding(encoding)) return decodeHistogramChunk(encoding, data).map(pointOf)
  scratch.clear()
  decodeFloatChunk(encoding, data, scratch)
  const bits = scratch.valueBits()
  return Array.from(scratch.times(), (timeMs, i) => ({ timeMs, bits: bits[i]! }))
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
  return { timeMs: sample.timeMs, histogram: { ...sample.histogram, hint: 'unknown' } }
}
