// The windows of a series' aggregate chunks: decoded as a reading wants them, by resolution, lane by lane.
// Specification: Thanos pkg/compact/downsample (AverageChunkIterator, ApplyCounterResetsSeriesIterator).
// Owns what tells chunks of 5 minutes from those of an hour, which no field of theirs does.
import { isFloatEncoding } from '../chunkenc/decode-floats.ts'
import { decodeHistogramChunk } from '../chunkenc/decode-histogram.ts'
import { chunkEncoding } from '../chunkenc/encoding.ts'
import { type HistogramPoint, pointOf } from '../histogram/histogram.ts'
import { divide } from '../histogram/scale.ts'
import type { SampleColumns } from '../kernels/columns.ts'
import { MnemoError } from '../kit/errors.ts'
import { fiveMinutesMs, oneHourMs, type Reading } from './reading.ts'
import type { Track } from './track.ts'
import type { AggrChunk, Chunk } from './types.ts'

/** An aggregate chunk's samples of one reading: floats, or histograms. */
export interface WindowChunk {
  /** As the chunk says it: from its first to its last window's end. */
  readonly minTime: number
  readonly maxTime: number
  /** Of a counter, the first raw sample's time before the windows', and the last window's twice. */
  readonly times: Float64Array
  readonly values: Float64Array
  /** Of `totals`. */
  readonly counts: Float64Array | undefined
  readonly histograms: readonly HistogramPoint[] | undefined
}

/** The windows of a chunk; undefined where it has none of what is read (histograms have neither min nor max). Throws `corrupt`. */
export function decodeWindows(
  chunk: AggrChunk,
  reading: Reading,
  scratch: { readonly kernelColumns: SampleColumns },
): WindowChunk | undefined {
  const { minTime, maxTime } = chunk
  if (reading === 'average' || reading === 'totals') {
    const { count, sum } = chunk
    if (count === undefined || sum === undefined) return undefined
    const counts = decodePart(count, scratch.kernelColumns)
    const sums = decodePart(sum, scratch.kernelColumns)
    const divisors = countsOf(sums, counts)
    const merged = reading === 'totals' ? { ...sums, counts: divisors } : quotients(sums, divisors)
    return { minTime, maxTime, counts: undefined, ...merged }
  }
  const part = chunk[fieldOf[reading]]
  return part && { minTime, maxTime, counts: undefined, ...decodePart(part, scratch.kernelColumns) }
}

const fieldOf = {
  min: 'min',
  max: 'max',
  sum: 'sum',
  count: 'count',
  counts: 'count',
  counter: 'counter',
  resets: 'counter',
} as const

type Part = Pick<WindowChunk, 'times' | 'values' | 'histograms'>

function decodePart({ type, data }: Chunk, columns: SampleColumns): Part {
  const encoding = type + 1
  if (isFloatEncoding(encoding)) {
    columns.clear()
    if (encoding === chunkEncoding.xor) columns.kernels.decodeXor(data, columns)
    else columns.kernels.decodeXor2(data, columns)
    return { times: columns.times().slice(), values: columns.values().slice(), histograms: undefined }
  }
  const histograms = decodeHistogramChunk(encoding, data)
    .filter(({ stale }) => !stale)
    .map(pointOf)
  return { times: Float64Array.from(histograms, ({ timeMs }) => timeMs), values: new Float64Array(), histograms }
}

/** The count of each sum's window. Of histograms there may be counts without a sum: Thanos loses sums where a zero bucket grows. */
function countsOf(sums: Part, counts: Part): Float64Array {
  const { length } = sums.times
  if (counts.histograms)
    throw new MnemoError('corrupt', 'cannot average downsampled chunk: got histograms, want counts')
  const found = new Float64Array(length)
  let at = 0
  for (let i = 0; i < length; i++) {
    while (at < counts.times.length && counts.times[at]! < sums.times[i]!) at++
    if (counts.times[at] !== sums.times[i] || (sums.histograms === undefined && at !== i)) {
      const got = `got ${counts.times.length} counts and ${length} sums, want both of the same windows`
      throw new MnemoError('corrupt', `cannot average downsampled chunk: ${got}`)
    }
    found[i] = counts.values[at]!
  }
  return found
}

function quotients({ times, values, histograms }: Part, counts: Float64Array): Part {
  if (histograms === undefined) {
    const averages = new Float64Array(values.length)
    for (let i = 0; i < values.length; i++) averages[i] = values[i]! / counts[i]!
    return { times, values: averages, histograms }
  }
  const averages = histograms.map(({ timeMs, histogram }, i) => ({
    timeMs,
    histogram: histogram && divide(histogram, counts[i]!),
  }))
  return { times, values, histograms: averages }
}

/** Chunks by their resolution, in order; `maxResolutionMs` is the coarsest that was asked for. */
export function byResolution(
  chunks: readonly WindowChunk[],
  reading: Reading,
  maxResolutionMs: number,
): ReadonlyMap<number, readonly WindowChunk[]> {
  if (maxResolutionMs < oneHourMs) return new Map([[fiveMinutesMs, chunks]])
  const told = chunks.map((chunk) => resolutionOf(windowTimes(chunk, reading)))
  // A chunk of a window or two may be either: as the one before it, else as the next.
  let known = told.find((resolution) => resolution !== undefined) ?? oneHourMs
  const levels = new Map<number, WindowChunk[]>()
  for (const [i, chunk] of chunks.entries()) {
    known = told[i] ?? known
    const level = levels.get(known)
    if (level) level.push(chunk)
    else levels.set(known, [chunk])
  }
  return levels
}

/** Without the raw samples that a counter has at its ends. */
function windowTimes({ times, histograms }: WindowChunk, reading: Reading): Float64Array {
  return (reading === 'counter' || reading === 'resets') && histograms === undefined ? times.subarray(1, -1) : times
}

/** Windows end with 5 minutes or an hour, but for the last one of a chunk. */
function resolutionOf(times: Float64Array): number | undefined {
  const { length } = times
  for (let i = 0; i < length - 1; i++) if (!Number.isInteger((times[i]! + 1) / oneHourMs)) return fiveMinutesMs
  return length > 2 || (length === 2 && times[1]! - times[0]! > fiveMinutesMs) ? oneHourMs : undefined
}

/**
 * Chunks of one resolution that follow each other, as splitLanes does it for raw ones. A chunk may end within a window, and the next
 * one go on there: between 5 minutes within an hour, or where histograms cannot go on as they were. What looks like that may also be
 * another replica's, which has the window as a whole: then there is a lane that ended right before the window.
 */
export function splitWindowLanes(chunks: readonly WindowChunk[], resolutionMs: number): WindowChunk[][] {
  const lanes: WindowChunk[][] = []
  for (const chunk of chunks) {
    let best: { readonly lane: WindowChunk[]; readonly rank: number } | undefined
    for (const lane of lanes) {
      const rank = rankOf(lane.at(-1)!, chunk, resolutionMs)
      if (rank !== undefined && (best === undefined || rank < best.rank)) best = { lane, rank }
    }
    if (best) best.lane.push(chunk)
    else lanes.push([chunk])
  }
  return lanes
}

/** How likely a chunk goes on where another ended, 0 the most; undefined where they overlap. */
function rankOf(last: WindowChunk, next: WindowChunk, resolutionMs: number): number | undefined {
  // A counter's first sample tells where the chunk begins.
  if (last.maxTime >= next.minTime || last.maxTime >= next.times[0]!) return undefined
  const startMs = Math.floor(next.minTime / resolutionMs) * resolutionMs
  // A last window ends with its last sample, but floats go to the end of its 5 minutes.
  const reachesMs = (Math.floor(last.maxTime / fiveMinutesMs) + 1) * fiveMinutesMs
  if (reachesMs < startMs) return 3
  if (reachesMs === startMs) return 1
  if (reachesMs < startMs + resolutionMs) return 0
  return last.histograms || next.histograms ? 2 : undefined
}

/** Appends a lane's windows, a counter read through its resets. */
export function readLane(lane: readonly WindowChunk[], reading: Reading, resolutionMs: number, into: Track): void {
  const windows = new LaneWindows(resolutionMs, into)
  for (const chunk of lane) {
    if (chunk.histograms !== undefined) windows.addHistograms(chunk)
    else if (reading === 'counter') windows.addCounter(chunk)
    else if (reading === 'resets') windows.addStored(chunk)
    else windows.add(chunk)
  }
}

class LaneWindows {
  readonly #resolutionMs: number
  readonly #into: Track
  #lastTime = Number.NEGATIVE_INFINITY
  /** Of a counter: what was counted since the lane's first sample, and the last value as it was stored. */
  #total: number | undefined
  #last = 0

  constructor(resolutionMs: number, into: Track) {
    this.#resolutionMs = resolutionMs
    this.#into = into
  }

  add({ times, values, counts }: WindowChunk): void {
    for (let i = 0; i < times.length; i++) this.#push(times[i]!, values[i]!, counts?.[i] ?? 0)
  }

  addHistograms({ histograms, counts }: WindowChunk): void {
    histograms?.forEach(({ timeMs, histogram }, i) => {
      if (timeMs <= this.#lastTime || histogram === undefined) return
      this.#into.pushHistogram(timeMs, histogram, counts?.[i] ?? 0)
      this.#widen(timeMs)
    })
  }

  /** The first sample is a raw one; a repeated time tells the last raw value, which the next chunk's first is compared with. */
  addCounter({ times, values }: WindowChunk): void {
    for (let i = 0; i < times.length; i++) {
      const time = times[i]!
      const value = values[i]!
      if (Number.isNaN(value) || time < this.#lastTime) continue
      if (time > this.#lastTime) {
        if (this.#total === undefined) this.#total = value
        else this.#total += value >= this.#last ? value - this.#last : value
        if (i === 0) this.#pushRaw(time, this.#total, value)
        else this.#push(time, this.#total, Number.NaN)
      } else this.#into.extras[this.#into.length - 1] = value
      this.#last = value
    }
  }

  /** As it is stored, but with the last raw value at a chunk's end: where a chunk has seen a reset, it falls there. */
  addStored({ times, values }: WindowChunk): void {
    for (let i = 0; i < times.length; i++) {
      if (times[i] === this.#lastTime) this.#into.values[this.#into.length - 1] = values[i]!
      else if (i === 0) this.#pushRaw(times[i]!, values[i]!, 0)
      else this.#push(times[i]!, values[i]!, 0)
    }
  }

  #push(time: number, value: number, extra: number): void {
    if (time <= this.#lastTime) return
    this.#into.push(time, value, extra)
    this.#widen(time)
  }

  /** A sample itself: the window that it begins stands for what follows. */
  #pushRaw(time: number, value: number, extra: number): void {
    if (time <= this.#lastTime) return
    this.#into.push(time, value, extra)
    this.#lastTime = time
  }

  #widen(time: number): void {
    const start = Math.floor(time / this.#resolutionMs) * this.#resolutionMs
    this.#into.widen(start > this.#lastTime ? start : this.#lastTime + 1, this.#resolutionMs)
    this.#lastTime = time
  }
}
