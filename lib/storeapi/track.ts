// A series' samples and windows in one list: what of downsampled data and raw data is put together from.
// Times ascend, each comes once. Owns growable columns that are reused from series to series.
import type { Histogram } from '../histogram/histogram.ts'

export const kind = { float: 0, stale: 1, histogram: 2 } as const

export class Track {
  length = 0
  /** The time of a sample, or a window's last millisecond. */
  times = new Float64Array(256)
  /** The first millisecond that an item stands for: a window's, or the sample's own time. */
  starts = new Float64Array(256)
  /** A window's, ms; 0 for a raw sample. */
  resolutions = new Float64Array(256)
  values = new Float64Array(256)
  /** Of `totals` the count; of a counter its true value where that is known, else NaN. */
  extras = new Float64Array(256)
  kinds = new Uint8Array(256)
  /** By index; filled where an item is a histogram. */
  histograms: (Histogram | undefined)[] = []

  clear(): void {
    this.length = 0
    this.histograms.length = 0
  }

  /** Makes room for `count` more. */
  reserve(count: number): void {
    const want = this.length + count
    if (want <= this.times.length) return
    const capacity = Math.max(want, 2 * this.times.length)
    this.times = grown(this.times, capacity)
    this.starts = grown(this.starts, capacity)
    this.resolutions = grown(this.resolutions, capacity)
    this.values = grown(this.values, capacity)
    this.extras = grown(this.extras, capacity)
    const kinds = new Uint8Array(capacity)
    kinds.set(this.kinds)
    this.kinds = kinds
  }

  /** Appends a raw float. */
  push(timeMs: number, value: number, extra: number): void {
    if (this.length === this.times.length) this.reserve(1)
    const at = this.length++
    this.times[at] = timeMs
    this.starts[at] = timeMs
    this.resolutions[at] = 0
    this.values[at] = value
    this.extras[at] = extra
    this.kinds[at] = kind.float
  }

  pushStale(timeMs: number): void {
    this.push(timeMs, 0, 0)
    this.kinds[this.length - 1] = kind.stale
  }

  pushHistogram(timeMs: number, histogram: Histogram, extra: number): void {
    this.push(timeMs, 0, extra)
    this.kinds[this.length - 1] = kind.histogram
    this.histograms[this.length - 1] = histogram
  }

  /** Makes the last item a window. */
  widen(startMs: number, resolutionMs: number): void {
    this.starts[this.length - 1] = startMs
    this.resolutions[this.length - 1] = resolutionMs
  }

  /** Appends an item of another track. */
  take(from: Track, index: number): void {
    if (this.length === this.times.length) this.reserve(1)
    const at = this.length++
    this.times[at] = from.times[index]!
    this.starts[at] = from.starts[index]!
    this.resolutions[at] = from.resolutions[index]!
    this.values[at] = from.values[index]!
    this.extras[at] = from.extras[index]!
    this.kinds[at] = from.kinds[index]!
    if (from.kinds[index] === kind.histogram) this.histograms[at] = from.histograms[index]
  }

  /** Leaves the items with times in [minTime, maxTime]. */
  bound(minTime: number, maxTime: number): void {
    let first = 0
    while (first < this.length && this.times[first]! < minTime) first++
    let end = this.length
    while (end > first && this.times[end - 1]! > maxTime) end--
    if (first > 0) {
      for (const column of [this.times, this.starts, this.resolutions, this.values, this.extras])
        column.copyWithin(0, first, end)
      this.kinds.copyWithin(0, first, end)
      this.histograms.splice(0, first)
    }
    this.length = end - first
    this.histograms.length = Math.min(this.histograms.length, this.length)
  }

  /** The last item at or before a time; −1 where there is none. */
  lastAt(timeMs: number): number {
    let low = 0
    let high = this.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.times[middle]! <= timeMs) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

function grown(column: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(capacity)
  larger.set(column)
  return larger
}
