// Two tracks of one series as one: where a window of the first is, nothing of the second counts.
// So a raw sample that is also in a window, or the same window of two replicas, counts once, and a hole is filled.
// Owns how a counter goes on where the tracks change: by what was counted between, never by the difference of two totals.
import type { Histogram } from '../histogram/histogram.ts'
import { fiveMinutesMs } from './reading.ts'
import { kind, type Track } from './track.ts'

/** Appends both tracks' items in order of time; an item of `under` that touches a window of `over` is left out. */
export function spliceTracks(over: Track, under: Track, into: Track, { counter }: { counter: boolean }): void {
  const joined = counter ? new JoinedCounter(over, under, into) : new JoinedValues(over, under, into)
  let i = 0
  let j = 0
  while (i < over.length || j < under.length) {
    if (i === over.length || (j < under.length && under.times[j]! < over.starts[i]!)) joined.take(under, j++)
    else if (j < under.length && under.starts[j]! <= over.times[i]!) j++
    else joined.take(over, i++)
  }
}

class JoinedValues {
  protected readonly into: Track
  protected readonly over: Track
  protected readonly under: Track
  #from: Track | undefined

  constructor(over: Track, under: Track, into: Track) {
    this.over = over
    this.under = under
    this.into = into
  }

  take(from: Track, index: number): void {
    const { into } = this
    into.take(from, index)
    const histogram = into.histograms[into.length - 1]
    if (histogram !== undefined && this.#from !== from) into.histograms[into.length - 1] = withoutHint(histogram)
    this.#from = from
  }
}

// Behind another sample than in its chunk, buckets have to be compared.
function withoutHint(histogram: Histogram): Histogram {
  return histogram.hint === 'gauge' ? histogram : { ...histogram, hint: 'unknown' }
}

/** Values are totals since each track's own beginning: what both have counted is their differences. */
class JoinedCounter extends JoinedValues {
  #lastFrom: Track | undefined
  #lastIndex = 0
  #total = 0

  override take(from: Track, index: number): void {
    super.take(from, index)
    if (from.kinds[index] !== kind.float) return
    if (this.#lastFrom === undefined) this.#total = from.values[index]!
    else this.#total += Math.max(0, this.#increase(this.#lastFrom, from, index))
    this.into.values[this.into.length - 1] = this.#total
    this.#lastFrom = from
    this.#lastIndex = index
  }

  /** What was counted from the last item taken to this one. */
  #increase(before: Track, from: Track, index: number): number {
    const last = this.#lastIndex
    if (before === from) return from.values[index]! - from.values[last]!
    const [lastMs, timeMs] = [before.times[last]!, from.times[index]!]
    const known = totalWithin(from, before.starts[last]!, endOf(before, last))
    if (known !== undefined) return from.values[index]! - known
    const end = lastFloat(before, timeMs)
    const within = before.values[end]! - before.values[last]!
    const step = trueIncrease(before.extras[end]!, from.extras[index]!)
    if (step !== undefined) return within + step
    const offset = offsetBehind(before, from, index)
    if (offset !== undefined) return from.values[index]! + offset - before.values[last]!
    const total = totalBetween(from, lastMs)
    if (total !== undefined) return from.values[index]! - total
    const later = totalBetween(before, timeMs)
    if (later !== undefined) return later - before.values[last]!
    return within + Math.max(0, from.values[index]! - before.values[end]!)
  }
}

/** A chunk's last window ends with its last sample, but stands for all of its 5 minutes. */
function endOf(track: Track, index: number): number {
  const timeMs = track.times[index]!
  if (track.resolutions[index] === 0) return timeMs
  return (Math.floor(timeMs / fiveMinutesMs) + 1) * fiveMinutesMs - 1
}

/** How much more one track has counted than the other, by the first windows that both have to their ends. */
function offsetBehind(a: Track, b: Track, index: number): number | undefined {
  for (let i = index; i < Math.min(index + 3, b.length); i++) {
    const end = endOf(b, i)
    const at = lastFloat(a, end)
    if (at < 0 || b.kinds[i] !== kind.float) continue
    const reachesEnd = at + 1 < a.length || endOf(a, at) >= end
    if (reachesEnd && a.times[at]! >= b.starts[i]!) return a.values[at]! - b.values[i]!
  }
  return undefined
}

/** Between values as they were scraped; undefined where one is not known. */
function trueIncrease(before: number, after: number): number | undefined {
  if (Number.isNaN(before) || Number.isNaN(after)) return undefined
  return after >= before ? after - before : after
}

/** The last float at or before a time; −1 where there is none. */
function lastFloat(track: Track, timeMs: number): number {
  let at = track.lastAt(timeMs)
  while (at >= 0 && track.kinds[at] !== kind.float) at--
  return at
}

/** What a track had counted by the end of a window, where it has a sample in it. */
function totalWithin(track: Track, startMs: number, endMs: number): number | undefined {
  const at = lastFloat(track, endMs)
  return at >= 0 && track.times[at]! >= startMs ? track.values[at] : undefined
}

/** What a track had counted by a time between two of its floats, as if it had grown evenly. */
function totalBetween(track: Track, timeMs: number): number | undefined {
  const before = lastFloat(track, timeMs)
  let after = before + 1
  while (after < track.length && track.kinds[after] !== kind.float) after++
  if (before < 0 || after >= track.length) return undefined
  const share = (timeMs - track.times[before]!) / (track.times[after]! - track.times[before]!)
  return track.values[before]! + share * (track.values[after]! - track.values[before]!)
}
