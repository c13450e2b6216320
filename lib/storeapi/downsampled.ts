// Reads series that have downsampled chunks: windows of an hour, in their holes those of 5 minutes, in theirs raw samples.
// After Thanos pkg/query/iter.go; there, chunks of differing resolution are replicas of one another, which counts samples
// at a seam twice or not at all. Owns the order in which resolutions win, and how long an instant selector shows each.
import type { HistogramPoint } from '../histogram/histogram.ts'
import type { SampleColumns } from '../kernels/columns.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { type DedupFunction, SeriesReader, type TimeRange } from './dedup.ts'
import type { Reading } from './reading.ts'
import { spliceTracks } from './splice.ts'
import { kind, Track } from './track.ts'
import type { AggrChunk } from './types.ts'
import { byResolution, decodeWindows, readLane, splitWindowLanes, type WindowChunk } from './windows.ts'

export interface DownsampledQuery extends TimeRange {
  readonly reading: Reading
  /** The coarsest that was asked for. */
  readonly maxResolutionMs: number
  readonly dedup: DedupFunction
  /** For an instant selector: see Visibility. */
  readonly visibility?: Visibility | undefined
}

/** How long a sample is shown where none follows. */
export interface Visibility {
  /** A raw sample; a window is shown for its resolution where that is longer. */
  readonly rawMs: number
  /** What the selector looks back: what is to be shown for less is ended by a stale marker. */
  readonly lookbackMs: number
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
    // What is covered need not be decoded; but a counter goes on by what both have counted.
    const rawChunks = chunks.filter((chunk) => !isDownsampled(chunk) && (counter || !isCovered(chunk, windows)))
    let track = windows
    if (rawChunks.length > 0) {
      const raw = this.#rawTrack(rawChunks, query, this.#free(windows))
      track = this.#free(windows, raw)
      spliceTracks(windows, raw, track, { counter })
    }
    emit(track, query, into)
  }

  /**
   * The same of a series without downsampled chunks, already read: in an instant selector that looks back further than raw samples
   * are to be shown, stale markers end them.
   */
  endRaw(into: ReadSamples, visibility: Visibility, maxTime: number): void {
    const { columns, histograms } = into
    if (visibility.lookbackMs <= visibility.rawMs || !hasHoles(into, visibility.rawMs, maxTime)) return
    const query = { reading: 'average', visibility, maxTime } as const
    const track = this.#free()
    putRaw(columns, histograms, query, track)
    columns.clear()
    histograms.length = 0
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
      for (const lane of splitWindowLanes(level))
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

/** Whether windows follow each other without a hole from the chunk's first to its last sample. */
function isCovered({ minTime, maxTime }: AggrChunk, windows: Track): boolean {
  let i = windows.lastAt(minTime - 1) + 1
  if (i >= windows.length || windows.starts[i]! > minTime) return false
  while (windows.times[i]! < maxTime) {
    i++
    if (i >= windows.length || windows.starts[i]! > windows.times[i - 1]! + 1) return false
  }
  return true
}

/** Whether more than `shownMs` pass after a sample without another one. */
function hasHoles({ columns, histograms }: ReadSamples, shownMs: number, maxTime: number): boolean {
  const times = columns.times()
  if (histograms.length > 0) return true
  for (let i = 1; i < times.length; i++) if (times[i]! - times[i - 1]! > shownMs) return true
  return times.length > 0 && times.at(-1)! + shownMs <= maxTime
}

const staleBits = 0x7ff0000000000002n

/** Raw samples as a reading takes them. Ranges have no use for stale markers. */
function putRaw(
  columns: SampleColumns,
  histograms: readonly HistogramPoint[],
  { reading, visibility }: Pick<DownsampledQuery, 'reading' | 'visibility'>,
  into: Track,
): void {
  const [times, values, bits] = [columns.times(), columns.values(), columns.valueBits()]
  const counter = reading === 'counter' ? new Counter() : undefined
  let next = 0
  const putHistograms = (beforeMs: number) => {
    for (; next < histograms.length && histograms[next]!.timeMs < beforeMs; next++) {
      const { timeMs, histogram } = histograms[next]!
      if (histogram === undefined) {
        if (visibility) into.pushStale(timeMs)
      } else if (reading === 'counts') into.push(timeMs, 1, 1)
      else into.pushHistogram(timeMs, histogram, 1)
    }
  }
  for (let i = 0; i < times.length; i++) {
    const [time, value] = [times[i]!, values[i]!]
    if (histograms.length > 0) putHistograms(time)
    if (Number.isNaN(value) && bits[i] === staleBits) {
      if (visibility) into.pushStale(time)
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

function emit(
  track: Track,
  { reading, visibility, maxTime }: Pick<DownsampledQuery, 'reading' | 'visibility' | 'maxTime'>,
  into: ReadSamples,
): void {
  const out = new Output(into, reading, 2 * track.length)
  for (let i = 0; i < track.length; i++) {
    out.put(track, i)
    if (visibility) show(track, i, { ...visibility, maxTime, out })
  }
  out.finish()
}

/**
 * What follows an item in an instant selector: nothing where the next is in time; the item again where the window right behind it ends
 * later than the lookback bears; else a stale marker where it is to be shown for less than the lookback.
 */
function show(
  track: Track,
  index: number,
  { rawMs, lookbackMs, maxTime, out }: Visibility & { readonly maxTime: number; readonly out: Output },
): void {
  if (track.kinds[index] === kind.stale) return
  const time = track.times[index]!
  const next = index + 1
  const nextTime = next < track.length ? track.times[next]! : Number.POSITIVE_INFINITY
  if (next < track.length && track.resolutions[next]! > 0) {
    const untilMs = track.starts[next]! - 1
    if (untilMs - time < rawMs) {
      if (nextTime - time > lookbackMs && untilMs > time) out.put(track, index, untilMs)
      return
    }
  }
  const end = time + Math.max(rawMs, track.resolutions[index]!)
  if (end < time + lookbackMs && end < nextTime && end <= maxTime) out.putStale(end)
}

/** Where items go: floats and stale markers to the columns, histograms to the list, counts to theirs. */
class Output {
  readonly #into: ReadSamples
  readonly #reading: Reading
  #length: number
  #times: Float64Array
  #values: Float64Array
  #bits: BigUint64Array

  /** `most`: items that will be put at most. */
  constructor(into: ReadSamples, reading: Reading, most: number) {
    const { columns } = into
    this.#into = into
    this.#reading = reading
    columns.reserve(most)
    into.counts?.reserve(most)
    const { kernels, timesPtr, valuesPtr, length } = columns
    this.#length = length
    this.#times = kernels.f64(timesPtr, length + most)
    this.#values = kernels.f64(valuesPtr, length + most)
    this.#bits = new BigUint64Array(kernels.memory.buffer, valuesPtr, length + most)
  }

  put(track: Track, index: number, timeMs = track.times[index]!): void {
    const { counts, histograms } = this.#into
    if (counts !== undefined) counts.push(timeMs, track[this.#reading === 'counts' ? 'values' : 'extras'][index]!)
    if (this.#reading === 'counts') return
    if (track.kinds[index] === kind.histogram) histograms.push({ timeMs, histogram: track.histograms[index] })
    else if (track.kinds[index] === kind.stale) this.putStale(timeMs)
    else {
      this.#times[this.#length] = timeMs
      this.#values[this.#length++] = track.values[index]!
    }
  }

  putStale(timeMs: number): void {
    this.#times[this.#length] = timeMs
    this.#bits[this.#length++] = staleBits
  }

  finish(): void {
    this.#into.columns.length = this.#length
  }
}
