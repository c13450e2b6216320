// Downsampling of one series' native histograms: count, sum and counter of each window, raw to 5 minutes to an hour.
// Algorithm: Thanos pkg/compact/downsample/downsample.go; where it would lose windows or give up (a zero bucket that
// grows between windows, custom buckets), a chunk ends. Owns the scratch columns until free().
import { type AggregatePart, joinAggregates, splitAggregates } from '../chunkenc/aggregate.ts'
import { OpenHistogramChunk } from '../chunkenc/cut-histograms.ts'
import { decodeHistogramChunk } from '../chunkenc/decode-histogram.ts'
import { chunkEncoding } from '../chunkenc/encoding.ts'
import type { FloatHistogram, HistogramSample } from '../chunkenc/float-histogram.ts'
import type { Kernels, SampleColumns } from '../kernels/kernels.ts'
import { MnemoError } from '../kit/errors.ts'
import type { BlockChunk } from '../tsdb/block-writer.ts'
import { chunkCount, endOfWindow } from './downsample.ts'
import { HistogramAggregator } from './histogram-aggregator.ts'
import { rawStepMs, resolutions } from './resolutions.ts'

interface Point {
  readonly timeMs: number
  readonly histogram: FloatHistogram
}

interface Window {
  readonly timeMs: number
  count: number | undefined
  sum: FloatHistogram | undefined
  counter: FloatHistogram | undefined
}

/** An aggregate chunk of 5 minutes, decoded. */
interface Decoded {
  readonly chunk: BlockChunk
  readonly counts: readonly { readonly timeMs: number; readonly count: number }[]
  readonly sums: readonly Point[]
  readonly counters: readonly Point[]
}

export class HistogramDownsampler {
  readonly #columns: SampleColumns & { free(): void }

  constructor(kernels: Kernels) {
    this.#columns = kernels.columns()
  }

  /** Raw histogram chunks of one series, in order, as aggregate chunks of 5 minutes. Throws `corrupt`, `unsupported`. */
  fromRaw(chunks: readonly BlockChunk[]): BlockChunk[] {
    const points = chunks.flatMap(({ encoding, data }) => pointsOf(encoding, data))
    const inOrder = points.filter(({ timeMs }, i) => i === 0 || timeMs >= points[i - 1]!.timeMs)
    return runsOf(inOrder, ({ histogram }) => histogram).flatMap((run) => this.#rawRun(run))
  }

  /** Aggregate chunks of histograms at 5 minutes, in order, as those of an hour. Throws `corrupt`, `unsupported`. */
  fromFiveMinutes(chunks: readonly BlockChunk[]): BlockChunk[] {
    const decoded = chunks.map((chunk) => this.#decode(chunk)).filter(({ counters }) => counters.length > 0)
    return runsOf(decoded, ({ counters }) => counters[0]!.histogram).flatMap((run) => this.#aggregateRun(run))
  }

  free(): void {
    this.#columns.free()
  }

  #rawRun(points: readonly Point[]): BlockChunk[] {
    const resolutionMs = resolutions.fiveMinutes
    const { length } = points
    const times = Float64Array.from(points, ({ timeMs }) => timeMs)
    const spanMs = times[length - 1]! - times[0]!
    const batchSize = Math.floor(length / chunkCount({ spanMs, stepMs: rawStepMs, resolutionMs, samples: length })) + 1
    const out: BlockChunk[] = []
    for (let from = 0; from < length; ) {
      const to = endOfWindow(times, Math.min(from + batchSize, length), resolutionMs)
      const batch = points.slice(from, to).filter(({ histogram }) => !Number.isNaN(histogram.sum))
      out.push(...this.#encode(rawWindows(batch, resolutionMs)))
      from = to
    }
    return out
  }

  #aggregateRun(run: readonly Decoded[]): BlockChunk[] {
    const count = chunkCount({
      spanMs: run.at(-1)!.chunk.maxTime - run[0]!.chunk.minTime,
      stepMs: resolutions.fiveMinutes,
      resolutionMs: resolutions.oneHour,
      samples: run.reduce((sum, { chunk }) => sum + chunk.numSamples, 0),
    })
    const batchSize = Math.max(1, Math.floor(run.length / count))
    const out: BlockChunk[] = []
    for (let from = 0; from < run.length; from += batchSize)
      out.push(...this.#encode(coarserWindows(run.slice(from, from + batchSize), resolutions.oneHour)))
    return out
  }

  #decode(chunk: BlockChunk): Decoded {
    const { count, sum, counter } = splitAggregates(chunk.data)
    const columns = this.#columns
    columns.clear()
    if (count && count.encoding !== chunkEncoding.xor)
      throw new MnemoError('corrupt', 'cannot downsample aggregate chunk of histograms: want counts in an XOR chunk')
    if (count) columns.kernels.decodeXor(count.data, columns)
    const values = columns.values()
    return {
      chunk,
      counts: Array.from(columns.times(), (timeMs, i) => ({ timeMs, count: values[i]! })),
      sums: sum ? pointsOf(sum.encoding, sum.data) : [],
      counters: counter ? pointsOf(counter.encoding, counter.data) : [],
    }
  }

  /** One chunk; more where the layout of a sum or counter cannot be that of the window before it. */
  #encode(windows: readonly Window[]): BlockChunk[] {
    const out: BlockChunk[] = []
    let first = 0
    let open: OpenParts = {}
    for (const [i, window] of windows.entries()) {
      if (!fits(open, window)) {
        out.push(this.#close(windows.slice(first, i), open))
        open = {}
        first = i
      }
      join(open, window)
    }
    if (windows.length > 0) out.push(this.#close(windows.slice(first), open))
    return out
  }

  #close(windows: readonly Window[], { sum, counter }: OpenParts): BlockChunk {
    return {
      minTime: windows[0]!.timeMs,
      maxTime: windows.at(-1)!.timeMs,
      numSamples: windows.filter(({ count }) => count !== undefined).length,
      encoding: chunkEncoding.aggregate,
      data: joinAggregates({
        ...partOf('count', this.#encodeCounts(windows)),
        ...partOf('sum', sum?.encode()),
        ...partOf('counter', counter?.encode()),
      }),
    }
  }

  #encodeCounts(windows: readonly Window[]): AggregatePart | undefined {
    const columns = this.#columns
    columns.clear()
    for (const { timeMs, count } of windows) if (count !== undefined) columns.push(timeMs, count)
    if (columns.length === 0) return undefined
    return { encoding: chunkEncoding.xor, data: columns.kernels.encodeXor(columns, 0, columns.length) }
  }
}

/** Samples that are no stale markers. */
function pointsOf(encoding: number, data: Uint8Array): Point[] {
  return decodeHistogramChunk(encoding, data).filter(({ stale }) => !stale)
}

/** Cut where exponential buckets change to custom ones or back, and where custom bounds change: they have no sum. */
function runsOf<T>(items: readonly T[], histogramOf: (item: T) => FloatHistogram): T[][] {
  const runs: T[][] = []
  for (const item of items) {
    const last = runs.at(-1)?.at(-1)
    if (last !== undefined && sameBounds(histogramOf(last).customValues, histogramOf(item).customValues))
      runs.at(-1)!.push(item)
    else runs.push([item])
  }
  return runs
}

/** Exponential buckets have no bounds of their own. */
function sameBounds(a: Float64Array, b: Float64Array): boolean {
  return a === b || (a.length === b.length && a.every((bound, i) => bound === b[i]))
}

function rawWindows(batch: readonly Point[], resolutionMs: number): Window[] {
  const isGauge = batch[0]?.histogram.counterResetHint === 'gauge'
  const windows: Window[] = []
  eachWindow(batch, resolutionMs, (timeMs, { count, sum, counter }) => {
    windows.push({ timeMs, count, sum, counter: isGauge ? { ...counter!, counterResetHint: 'gauge' } : counter })
  })
  return windows
}

/** Each aggregate by itself, as it stands in the chunks. */
function coarserWindows(batch: readonly Decoded[], resolutionMs: number): Window[] {
  const windows = new Map<number, Window>()
  const at = (timeMs: number): Window => {
    const window = windows.get(timeMs) ?? { timeMs, count: undefined, sum: undefined, counter: undefined }
    windows.set(timeMs, window)
    return window
  }
  const points = (of: (decoded: Decoded) => readonly Point[]) => batch.flatMap(of)
  eachWindow(
    points(({ counters }) => counters),
    resolutionMs,
    (timeMs, { counter }) => {
      at(timeMs).counter = counter
    },
  )
  eachWindow(
    points(({ sums }) => sums),
    resolutionMs,
    (timeMs, { sum }) => {
      at(timeMs).sum = sum
    },
  )
  const counts = batch.flatMap((decoded) => decoded.counts)
  for (const { timeMs, count } of counts) {
    const window = at(windowEnd(timeMs, resolutionMs, counts.at(-1)!.timeMs))
    window.count = (window.count ?? 0) + count
  }
  return [...windows.values()].sort((a, b) => a.timeMs - b.timeMs)
}

/** Calls `onWindow` at each window's end with the aggregates so far. */
function eachWindow(
  points: readonly Point[],
  resolutionMs: number,
  onWindow: (timeMs: number, aggregates: HistogramAggregator) => void,
): void {
  const aggregator = new HistogramAggregator(Math.min(...points.map(({ histogram }) => histogram.schema)))
  let end = Number.NEGATIVE_INFINITY
  for (const { timeMs, histogram } of points) {
    if (timeMs > end) {
      if (aggregator.count > 0) onWindow(end, aggregator)
      aggregator.startWindow()
      end = windowEnd(timeMs, resolutionMs, points.at(-1)!.timeMs)
    }
    aggregator.add(histogram)
  }
  if (aggregator.count > 0) onWindow(end, aggregator)
}

/** A window's last millisecond, no later than the batch's last sample: the next batch may begin in the same window. */
function windowEnd(timeMs: number, resolutionMs: number, lastMs: number): number {
  return Math.min((Math.floor(timeMs / resolutionMs) + 1) * resolutionMs - 1, lastMs)
}

interface OpenParts {
  sum?: OpenHistogramChunk | undefined
  counter?: OpenHistogramChunk | undefined
}

function fits({ sum, counter }: OpenParts, window: Window): boolean {
  const refused = (open: OpenHistogramChunk | undefined, histogram: FloatHistogram | undefined) =>
    open !== undefined && histogram !== undefined && open.refusal(sampleOf(window.timeMs, histogram)) !== undefined
  return !refused(sum, window.sum) && !refused(counter, window.counter)
}

function join(open: OpenParts, { timeMs, sum, counter }: Window): void {
  open.sum = joined(open.sum, timeMs, sum)
  open.counter = joined(open.counter, timeMs, counter)
}

function joined(
  open: OpenHistogramChunk | undefined,
  timeMs: number,
  histogram: FloatHistogram | undefined,
): OpenHistogramChunk | undefined {
  if (histogram === undefined) return open
  const sample = sampleOf(timeMs, histogram)
  // A header of counters says nothing that readers rely on: Thanos has them so.
  if (open === undefined)
    return new OpenHistogramChunk(false, histogram.counterResetHint === 'gauge' ? 'gauge' : 'not_reset', sample)
  open.push(sample)
  return open
}

function sampleOf(timeMs: number, histogram: FloatHistogram): HistogramSample {
  return { timeMs, startTimeMs: 0, stale: false, integer: false, histogram }
}

function partOf(name: 'count' | 'sum' | 'counter', part: AggregatePart | undefined) {
  return part && { [name]: { encoding: part.encoding, data: part.data } }
}
