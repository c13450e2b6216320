// Downsampling of one series' floats: raw samples to aggregate chunks of 5 minutes, those to aggregate chunks of an hour.
// Algorithm: Thanos pkg/compact/downsample/downsample.go; what runs once a sample is in lib/kernels.
// Owns the scratch columns until free(); which blocks are downsampled is downsample-plan.ts's.
import {
  type Aggregate,
  type AggregatePart,
  aggregates,
  joinAggregates,
  splitAggregates,
} from '../chunkenc/aggregate.ts'
import { decodeFloatChunk } from '../chunkenc/decode-floats.ts'
import { chunkEncoding } from '../chunkenc/encoding.ts'
import type { AggregateColumns, Kernels, SampleColumns } from '../kernels/kernels.ts'
import type { BlockChunk } from '../tsdb/block-writer.ts'
import { rawStepMs, resolutions } from './resolutions.ts'

/** Windows that a chunk has on average at most. */
const maxWindowsPerChunk = 140

type Scratch = ReturnType<Kernels['columns']>

export class FloatDownsampler {
  readonly #kernels: Kernels
  readonly #samples: Scratch
  readonly #windows: Readonly<Record<Aggregate, Scratch>>

  constructor(kernels: Kernels) {
    this.#kernels = kernels
    this.#samples = kernels.columns()
    this.#windows = {
      count: kernels.columns(),
      sum: kernels.columns(),
      min: kernels.columns(),
      max: kernels.columns(),
      counter: kernels.columns(),
    }
  }

  /** Raw float chunks of one series, in order, as aggregate chunks of 5 minutes. Throws `corrupt`, `unsupported`. */
  fromRaw(chunks: readonly BlockChunk[]): BlockChunk[] {
    const samples = this.#samples
    samples.clear()
    for (const { encoding, data } of chunks) this.#decode(encoding, data)
    const { length } = samples
    if (length === 0) return []
    const spanMs = samples.times()[length - 1]! - samples.times()[0]!
    const count = chunkCount({ spanMs, stepMs: rawStepMs, resolutionMs: resolutions.fiveMinutes, samples: length })
    const batchSize = Math.floor(length / count) + 1
    const out: BlockChunk[] = []
    for (let from = 0; from < length; ) {
      const to = endOfWindow(samples.times(), Math.min(from + batchSize, length), resolutions.fiveMinutes)
      const chunk = this.#rawBatch(from, to)
      if (chunk) out.push(chunk)
      from = to
    }
    return out
  }

  /** Aggregate chunks of 5 minutes, in order, as those of an hour. Throws `corrupt`, `unsupported`. */
  fromFiveMinutes(chunks: readonly BlockChunk[]): BlockChunk[] {
    const last = chunks.at(-1)
    if (last === undefined) return []
    const samples = chunks.reduce((sum, { numSamples }) => sum + numSamples, 0)
    const count = chunkCount({
      spanMs: last.maxTime - chunks[0]!.minTime,
      stepMs: resolutions.fiveMinutes,
      resolutionMs: resolutions.oneHour,
      samples,
    })
    // Along chunk borders only: a chunk's first and last counter values are true ones, and must stay.
    const batchSize = Math.max(1, Math.floor(chunks.length / count))
    const out: BlockChunk[] = []
    for (let from = 0; from < chunks.length; from += batchSize) {
      const chunk = this.#aggregateBatch(chunks.slice(from, from + batchSize))
      if (chunk) out.push(chunk)
    }
    return out
  }

  free(): void {
    for (const columns of [this.#samples, ...Object.values(this.#windows)]) columns.free()
  }

  #decode(encoding: number, data: Uint8Array): void {
    const from = this.#samples.length
    decodeFloatChunk(encoding, data, this.#samples)
    this.#kernels.dropStale(this.#samples, from)
  }

  #rawBatch(from: number, to: number): BlockChunk | undefined {
    const columns = this.#samples
    const end = this.#kernels.dropNaN({ columns, from, to })
    if (end === from) return undefined
    const windows = this.#aggregate(from, end, resolutions.fiveMinutes)
    const firstTime = columns.times()[from]!
    const [first, last] = [columns.values()[from]!, columns.values()[end - 1]!]
    const parts: Partial<Record<Aggregate, AggregatePart>> = {}
    for (const aggregate of ['count', 'sum', 'min', 'max'] as const) parts[aggregate] = encode(windows[aggregate])
    parts.counter = encodeCounter(windows.counter, { firstTime, first, last })
    const times = windows.count.times()
    return chunkOf(parts, { minTime: times[0]!, maxTime: times.at(-1)!, numSamples: times.length })
  }

  #aggregateBatch(batch: readonly BlockChunk[]): BlockChunk | undefined {
    const split = batch.map(({ data }) => splitAggregates(data))
    const parts: Partial<Record<Aggregate, AggregatePart>> = {}
    let minTime = Number.POSITIVE_INFINITY
    let maxTime = Number.NEGATIVE_INFINITY
    let numSamples = 0
    for (const aggregate of aggregates) {
      this.#samples.clear()
      for (const chunk of split) {
        const part = chunk[aggregate]
        if (part) this.#decode(part.encoding, part.data)
      }
      const lastRaw = aggregate === 'counter' ? this.#kernels.applyResets(this.#samples) : 0
      const { length } = this.#samples
      if (length === 0) continue
      // A count of counts is their sum; each other aggregate is made of its own kind.
      const windows = this.#aggregate(0, length, resolutions.oneHour)[aggregate === 'count' ? 'sum' : aggregate]
      const times = windows.times()
      minTime = Math.min(minTime, times[0]!)
      maxTime = Math.max(maxTime, times.at(-1)!)
      if (aggregate === 'count') numSamples = times.length
      const first = this.#samples.values()[0]!
      const firstTime = this.#samples.times()[0]!
      parts[aggregate] =
        aggregate === 'counter' ? encodeCounter(windows, { firstTime, first, last: lastRaw }) : encode(windows)
    }
    return maxTime < minTime ? undefined : chunkOf(parts, { minTime, maxTime, numSamples })
  }

  #aggregate(from: number, to: number, resolutionMs: number): AggregateColumns {
    for (const columns of Object.values(this.#windows)) columns.clear()
    this.#kernels.aggregate({ columns: this.#samples, from, to }, resolutionMs, this.#windows)
    return this.#windows
  }
}

/** How many chunks a series is cut into: the fewest that keep an expected chunk at 140 windows. */
export function chunkCount(series: {
  readonly spanMs: number
  /** Between samples of a series without holes. */
  readonly stepMs: number
  readonly resolutionMs: number
  readonly samples: number
}): number {
  const { spanMs, stepMs, resolutionMs, samples } = series
  const fullness = Math.min(1, samples / (spanMs / stepMs))
  const windows = Math.floor(Math.floor(spanMs / resolutionMs) * fullness) + 1
  let chunks = 1
  while (Math.floor(windows / chunks) > maxWindowsPerChunk) chunks++
  return chunks
}

/** Moves the end of a batch, [0, end), behind the window that its last sample lies in. */
export function endOfWindow(times: Float64Array, end: number, resolutionMs: number): number {
  const windowEnd = (Math.floor(times[end - 1]! / resolutionMs) + 1) * resolutionMs
  while (end < times.length && times[end]! < windowEnd) end++
  return end
}

function encode(columns: SampleColumns): AggregatePart {
  return { encoding: chunkEncoding.xor, data: columns.kernels.encodeXor(columns, 0, columns.length) }
}

/** The first true value at its own time, the windows, and the last time again with the last true value: resets between chunks stay visible. */
function encodeCounter(
  windows: SampleColumns,
  ends: { readonly firstTime: number; readonly first: number; readonly last: number },
): AggregatePart {
  const { length } = windows
  const lastTime = windows.times()[length - 1]!
  windows.reserve(2)
  windows.length = length + 2
  const [times, values] = [windows.times(), windows.values()]
  times.copyWithin(1, 0, length)
  windows.valueBits().copyWithin(1, 0, length)
  times[0] = ends.firstTime
  values[0] = ends.first
  times[length + 1] = lastTime
  values[length + 1] = ends.last
  return encode(windows)
}

function chunkOf(
  parts: Partial<Record<Aggregate, AggregatePart>>,
  span: { readonly minTime: number; readonly maxTime: number; readonly numSamples: number },
): BlockChunk {
  return { ...span, encoding: chunkEncoding.aggregate, data: joinAggregates(parts) }
}
