// Reads series that have downsampled chunks: windows of an hour, in their holes those of 5 minutes, in theirs raw samples.
// After Thanos pkg/query/iter.go; there, chunks of differing resolution are replicas of one another, which counts samples
// at a seam twice or not at all. Owns the order in which resolutions win.
import type { HistogramPoint } from '../histogram/histogram.ts'
import type { SampleColumns } from '../kernels/columns.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { type DedupFunction, SeriesReader, type TimeRange } from './dedup.ts'
import { oneHourMs, type Reading } from './reading.ts'
import { spliceTracks } from './splice.ts'
import { kind, Track } from './track.ts'
import type { AggrChunk } from './types.ts'
import { byResolution, decodeWindows, readLane, splitWindowLanes, type WindowChunk } from './windows.ts'

export interface DownsampledQuery extends TimeRange {
  readonly reading: Reading
  /** The coarsest that was asked for. */
  readonly maxResolutionMs: number
  readonly dedup: DedupFunction
  /** How far back an instant selector looks; undefined for a range. */
  readonly lookbackMs: number | undefined
}

export interface ReadSamples {
  readonly columns: SampleColumns
  readonly histograms: HistogramPoint[]
  /** Of `counts` and `totals`: how many raw samples each item stands for. */
  readonly counts?: SampleColumns | undefined
}

export function isDownsampled({ raw }: AggrChunk): boolean {
  return raw === undefined
}

/** Reads series out of chunks of any resolution, with scratch memory of its own. One a query; free() gives it back. */
export class DownsampledReader {
  readonly #raw: SeriesReader
  readonly #kernelColumns: ReturnType<Kernels['columns']>
  readonly #tracks = [new Track(), new Track(), new Track(), new Track()]

  constructor(kernels: Kernels) {
    this.#raw = new SeriesReader(kernels)
    this.#kernelColumns = kernels.columns()
  }

  /**
   * Appends the samples in the range, times ascending, no time twice. Chunks come in order (mergeSeries gives them so), one of them
   * downsampled at least. Throws `corrupt` and `unsupported` as the decoders do.
   */
  read(chunks: readonly AggrChunk[], query: DownsampledQuery, into: ReadSamples): void {
    const counter = query.reading === 'counter'
    const windows = this.#windows(chunks, query)
    // What is covered need not be decoded; but a counter goes on by what both have counted before and behind a seam.
    const marginMs = counter ? 2 * oneHourMs : 0
    const rawChunks = chunks.filter((chunk) => !isDownsampled(chunk) && !isCovered(chunk, windows, marginMs))
    let track = windows
    if (rawChunks.length > 0) {
      const raw = this.#rawTrack(rawChunks, query, this.#free(windows))
      track = this.#free(windows, raw)
      spliceTracks(windows, raw, track, { counter })
    }
    emit(track, query, into)
  }

  free(): void {
    this.#raw.free()
    this.#kernelColumns.free()
  }

  /** A track that none of these is, empty. */
  #free(...used: readonly Track[]): Track {
    const track = this.#tracks.find((one) => !used.includes(one))!
    track.clear()
    return track
  }

  /** The windows of all resolutions and replicas, none touching another. */
  #windows(chunks: readonly AggrChunk[], query: DownsampledQuery): Track {
    const { reading, maxResolutionMs, minTime, maxTime } = query
    const decoded = chunks
      .filter((chunk) => isDownsampled(chunk) && chunk.minTime <= maxTime && chunk.maxTime >= minTime)
      .map((chunk) => decodeWindows(chunk, reading, { kernelColumns: this.#kernelColumns }))
      .filter((chunk) => chunk !== undefined)
    const levels = [...byResolution(decoded, reading, maxResolutionMs)].sort(([a], [b]) => b - a)
    let all = this.#free()
    for (const [resolutionMs, level] of levels)
      for (const lane of splitWindowLanes(level, resolutionMs))
        all = this.#withLane(all, lane, { reading, resolutionMs, minTime, maxTime })
    return all
  }

  #withLane(
    all: Track,
    chunks: readonly WindowChunk[],
    { reading, resolutionMs, minTime, maxTime }: TimeRange & { reading: Reading; resolutionMs: number },
  ): Track {
    const lane = this.#free(all)
    readLane(chunks, reading, resolutionMs, lane)
    lane.bound(minTime, maxTime)
    if (all.length === 0) return lane
    const both = this.#free(all, lane)
    spliceTracks(all, lane, both, { counter: reading === 'counter' })
    return both
  }

  #rawTrack(chunks: readonly AggrChunk[], query: DownsampledQuery, into: Track): Track {
    const columns = this.#kernelColumns
    columns.clear()
    const histograms: HistogramPoint[] = []
    this.#raw.read(chunks, query, query.dedup, { columns, histograms })
    putRaw(columns, histograms, query, into)
    return into
  }
}

/** Whether windows follow each other without a hole from before the chunk's first sample to behind its last, by a margin. */
function isCovered(chunk: AggrChunk, windows: Track, marginMs: number): boolean {
  const minTime = chunk.minTime - marginMs
  const maxTime = chunk.maxTime + marginMs
  let i = windows.lastAt(minTime - 1) + 1
  if (i >= windows.length || windows.starts[i]! > minTime) return false
  while (windows.times[i]! < maxTime) {
    i++
    if (i >= windows.length || windows.starts[i]! > windows.times[i - 1]! + 1) return false
  }
  return true
}

const staleBits = 0x7ff0000000000002n

/** Raw samples as a reading takes them. Ranges have no use for stale markers. */
function putRaw(
  columns: SampleColumns,
  histograms: readonly HistogramPoint[],
  { reading, lookbackMs }: DownsampledQuery,
  into: Track,
): void {
  const [times, values, bits] = [columns.times(), columns.values(), columns.valueBits()]
  const counter = reading === 'counter' ? new Counter() : undefined
  let next = 0
  const putHistograms = (beforeMs: number) => {
    for (; next < histograms.length && histograms[next]!.timeMs < beforeMs; next++) {
      const { timeMs, histogram } = histograms[next]!
      if (histogram === undefined) {
        if (lookbackMs !== undefined) into.pushStale(timeMs)
      } else if (reading === 'counts') into.push(timeMs, 1, 1)
      else into.pushHistogram(timeMs, histogram, 1)
    }
  }
  for (let i = 0; i < times.length; i++) {
    const [time, value] = [times[i]!, values[i]!]
    if (histograms.length > 0) putHistograms(time)
    if (Number.isNaN(value) && bits[i] === staleBits) {
      if (lookbackMs !== undefined) into.pushStale(time)
    } else if (counter === undefined) into.push(time, reading === 'counts' ? 1 : value, 1)
    else if (!Number.isNaN(value)) into.push(time, counter.add(value), value)
  }
  putHistograms(Number.POSITIVE_INFINITY)
}

class Counter {
  #total: number | undefined
  #last = 0

  /** What has been counted since the first value, that one with it. */
  add(value: number): number {
    if (this.#total === undefined) this.#total = value
    else this.#total += value >= this.#last ? value - this.#last : value
    this.#last = value
    return this.#total
  }
}

function emit(track: Track, { reading, lookbackMs }: DownsampledQuery, into: ReadSamples): void {
  const out = new Output(into, reading, 2 * track.length)
  for (let i = 0; i < track.length; i++) {
    out.put(track, i)
    const again = lookbackMs === undefined ? undefined : shownAgainAt(track, i, lookbackMs)
    if (again !== undefined) out.put(track, i, again)
  }
  out.finish()
}

/**
 * A window is a sample at its end: behind a raw sample, or one that ended early, that may be later than an instant selector looks back,
 * though there are samples all the time. The item is then shown once more from when it would be too old.
 */
function shownAgainAt(track: Track, index: number, lookbackMs: number): number | undefined {
  const next = index + 1
  if (track.kinds[index] === kind.stale || next === track.length || track.resolutions[next] === 0) return undefined
  const again = track.times[index]! + lookbackMs
  const isFollowed = track.starts[next]! <= again
  return isFollowed && track.times[next]! > again && track.times[next]! <= again + lookbackMs ? again : undefined
}

/** Where items go: floats and stale markers to the columns, histograms to the list, counts to theirs. */
class Output {
  readonly #histograms: HistogramPoint[]
  readonly #isCounts: boolean
  readonly #floats: ColumnWriter
  readonly #counts: ColumnWriter | undefined

  /** `most`: items that will be put at most. */
  constructor({ columns, histograms, counts }: ReadSamples, reading: Reading, most: number) {
    this.#histograms = histograms
    this.#isCounts = reading === 'counts'
    // Both before the first view: memory that grows takes views away.
    columns.reserve(most)
    counts?.reserve(most)
    this.#floats = new ColumnWriter(columns, most)
    this.#counts = counts && new ColumnWriter(counts, most)
  }

  put(track: Track, index: number, timeMs = track.times[index]!): void {
    const value = track.values[index]!
    this.#counts?.put(timeMs, this.#isCounts ? value : track.extras[index]!)
    if (this.#isCounts) return
    if (track.kinds[index] === kind.float) this.#floats.put(timeMs, value)
    else if (track.kinds[index] === kind.stale) this.#floats.putStale(timeMs)
    else this.#histograms.push({ timeMs, histogram: track.histograms[index] })
  }

  finish(): void {
    this.#floats.finish()
    this.#counts?.finish()
  }
}

class ColumnWriter {
  readonly #columns: SampleColumns
  readonly #times: Float64Array
  readonly #values: Float64Array
  readonly #bits: BigUint64Array
  #length: number

  constructor(columns: SampleColumns, most: number) {
    const { kernels, timesPtr, valuesPtr, length } = columns
    this.#columns = columns
    this.#length = length
    this.#times = kernels.f64(timesPtr, length + most)
    this.#values = kernels.f64(valuesPtr, length + most)
    this.#bits = new BigUint64Array(kernels.memory.buffer, valuesPtr, length + most)
  }

  put(timeMs: number, value: number): void {
    this.#times[this.#length] = timeMs
    this.#values[this.#length++] = value
  }

  putStale(timeMs: number): void {
    this.#times[this.#length] = timeMs
    this.#bits[this.#length++] = staleBits
  }

  finish(): void {
    this.#columns.length = this.#length
  }
}
