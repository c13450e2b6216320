// Takes deleted times out of an aggregate chunk: windows that lie wholly inside of them go, those that they cut stay whole.
// Definition: aggregate.ts; Thanos pkg/compact/downsample for what stands in front of and behind a counter's windows.
// Owns what a counter begins and ends with where its first or last windows go.
import type { Kernels, SampleColumns } from '../kernels/kernels.ts'
import { type AggregatePart, aggregates, joinAggregates, splitAggregates } from './aggregate.ts'
import { type EncodedChunk, OpenHistogramChunk } from './cut-histograms.ts'
import { decodeFloatChunk } from './decode-floats.ts'
import { decodeHistogramChunk, isHistogramEncoding } from './decode-histogram.ts'
import { chunkEncoding } from './encoding.ts'
import { readHistogramHeader } from './histogram-layout.ts'

const [fiveMinutesMs, hourMs] = [300_000, 3_600_000]

interface Interval {
  readonly minTime: number
  readonly maxTime: number
}

/** The chunk without its deleted windows: none where all are. Throws `corrupt`, `unsupported`. */
export function dropWindows(chunk: EncodedChunk, intervals: readonly Interval[], kernels: Kernels): EncodedChunk[] {
  const parts = splitAggregates(chunk.data)
  const columns = kernels.columns()
  try {
    const ends = endsOf(parts.count, columns)
    const kept = keptEnds(ends, intervals)
    if (kept.size === ends.length) return [chunk]
    if (kept.size === 0) return []
    const left: Partial<Record<(typeof aggregates)[number], AggregatePart>> = {}
    for (const name of aggregates) {
      const part = parts[name]
      if (part === undefined) continue
      left[name] = isHistogramEncoding(part.encoding)
        ? keepHistograms(part, kept)
        : keepFloats(part, { kept, columns, isCounter: name === 'counter' })
    }
    const times = [...kept]
    const span = { minTime: times[0]!, maxTime: times.at(-1)!, numSamples: times.length }
    return [{ ...span, encoding: chunkEncoding.aggregate, data: joinAggregates(left) }]
  } finally {
    columns.free()
  }
}

function endsOf(count: AggregatePart | undefined, columns: SampleColumns): number[] {
  if (count === undefined) return []
  columns.clear()
  decodeFloatChunk(count.encoding, count.data, columns)
  return [...columns.times()]
}

/** Ends of the windows that are not deleted, ascending. */
function keptEnds(ends: readonly number[], intervals: readonly Interval[]): Set<number> {
  // A chunk's last window may end with its last sample, all others end with their hour, or their five minutes.
  const isHourly = ends.slice(0, -1).every((end) => (end + 1) % hourMs === 0)
  const resolutionMs = isHourly ? hourMs : fiveMinutesMs
  const isKept = (end: number) => {
    const start = Math.floor(end / resolutionMs) * resolutionMs
    return !intervals.some(({ minTime, maxTime }) => minTime <= start && maxTime >= end)
  }
  return new Set(ends.filter(isKept))
}

function keepHistograms(part: AggregatePart, kept: ReadonlySet<number>): AggregatePart {
  const samples = decodeHistogramChunk(part.encoding, part.data).filter(({ timeMs }) => kept.has(timeMs))
  const [first, ...rest] = samples
  if (first === undefined) return part
  const open = new OpenHistogramChunk(first.integer, readHistogramHeader(part.encoding, part.data).reset, first)
  for (const sample of rest) open.push(sample)
  const { encoding, data } = open.encode()
  return { encoding, data }
}

function keepFloats(
  part: AggregatePart,
  { kept, columns, isCounter }: { kept: ReadonlySet<number>; columns: SampleColumns; isCounter: boolean },
): AggregatePart {
  columns.clear()
  decodeFloatChunk(part.encoding, part.data, columns)
  const points = [...columns.times()].map((time, i): [number, number] => [time, columns.values()[i]!])
  const left = isCounter ? keepCounter(points, kept) : points.filter(([time]) => kept.has(time))
  columns.clear()
  for (const [time, value] of left) columns.push(time, value)
  return { encoding: chunkEncoding.xor, data: columns.kernels.encodeXor(columns, 0, columns.length) }
}

/** The first true value, the windows, the last true value once more at the last window's end. */
function keepCounter(points: readonly [number, number][], kept: ReadonlySet<number>): [number, number][] {
  const [first, windows, last] = [points[0]!, points.slice(1, -1), points.at(-1)!]
  const left = windows.filter(([time]) => kept.has(time))
  const [start, end] = [left[0], left.at(-1)]
  if (start === undefined || end === undefined) return []
  const lastWindow = windows.at(-1)!
  // Without a reset in the chunk what was counted is the true value; with one, only the chunk's last is known.
  const hadReset = lastWindow[1] !== last[1]
  const lastValue = end === lastWindow || hadReset ? last[1] : end[1]
  return [start === windows[0] ? first : start, ...left, [end[0], lastValue]]
}
