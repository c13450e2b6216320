// Downsampling's loops over samples: what is dropped, windows as five aggregates, counters read through their resets.
// Specification: Thanos pkg/compact/downsample/downsample.go (downsampleBatch, ApplyCounterResetsSeriesIterator).
// Owns nothing; columns are f64 times and f64 values, and what shrinks does so in place.

/** The bits of a stale marker. */
const STALE: u64 = 0x7ff0000000000002

/** Drops stale markers and samples before their predecessor (or before `after`); the number of samples left. */
export function dropStale(times: usize, values: usize, count: i32, after: f64): i32 {
  const end = times + (<usize>count << 3)
  const toValue = values - times
  let to = times
  for (let at = times; at < end; at += 8) {
    const time = load<f64>(at)
    const bits = load<u64>(at + toValue)
    if (bits == STALE || time < after) continue
    store<f64>(to, time)
    store<u64>(to + toValue, bits)
    after = time
    to += 8
  }
  return <i32>((to - times) >> 3)
}

/** Drops every NaN; the number of samples left. */
export function dropNaN(times: usize, values: usize, count: i32): i32 {
  const end = times + (<usize>count << 3)
  const toValue = values - times
  let to = times
  for (let at = times; at < end; at += 8) {
    const value = load<f64>(at + toValue)
    if (value != value) continue
    store<f64>(to, load<f64>(at))
    store<f64>(to + toValue, value)
    to += 8
  }
  return <i32>((to - times) >> 3)
}

/** The raw value of the last sample that the last applyResets read. */
export let lastRawValue: f64 = 0

/**
 * Makes a counter of what counter aggregates of consecutive chunks hold: it never falls. A repeated time tells the
 * true last value of a chunk, a time that goes back is passed over. The number of samples left.
 */
export function applyResets(times: usize, values: usize, count: i32): i32 {
  const end = times + (<usize>count << 3)
  const toValue = values - times
  let to = times
  let lastTime: f64 = 0
  let last: f64 = 0
  let total: f64 = 0
  for (let at = times; at < end; at += 8) {
    const time = load<f64>(at)
    const value = load<f64>(at + toValue)
    if (value != value) continue
    if (to == times) total = value
    else if (time > lastTime) total += value >= last ? value - last : value
    else {
      if (time == lastTime) last = value
      continue
    }
    lastTime = time
    last = value
    store<f64>(to, time)
    store<f64>(to + toValue, total)
    to += 8
  }
  lastRawValue = last
  return <i32>((to - times) >> 3)
}

/** Where the windows go: one column of times, one of values for each aggregate. */
@unmanaged
export class WindowColumns {
  times: usize
  counts: usize
  sums: usize
  mins: usize
  maxes: usize
  counters: usize
}

/**
 * Aggregates windows of `resolution` ms, aligned to 0; a window's time is its last millisecond, the last one's no later
 * than the last sample. Times ascend. The number of windows, at most `count`.
 */
export function aggregateWindows(times: usize, values: usize, count: i32, resolution: i64, out: WindowColumns): i32 {
  if (count == 0) return 0
  const end = times + (<usize>count << 3)
  const toValue = values - times
  const lastTime = load<f64>(end - 8)
  let counter = load<f64>(values)
  let previous = counter
  let windows: usize = 0
  for (let at = times; at < end; windows++) {
    const windowEnd = min(lastMillisecond(<i64>load<f64>(at), resolution), lastTime)
    const first = at
    let sum: f64 = 0
    let smallest = f64.MAX_VALUE
    let largest = -f64.MAX_VALUE
    for (; at < end && load<f64>(at) <= windowEnd; at += 8) {
      const value = load<f64>(at + toValue)
      sum += value
      if (value < smallest) smallest = value
      if (value > largest) largest = value
      if (at != times) counter += value < previous ? value : value - previous
      previous = value
    }
    const offset = windows << 3
    store<f64>(out.times + offset, windowEnd)
    store<f64>(out.counts + offset, <f64>((at - first) >> 3))
    store<f64>(out.sums + offset, sum)
    store<f64>(out.mins + offset, smallest)
    store<f64>(out.maxes + offset, largest)
    store<f64>(out.counters + offset, counter)
  }
  return <i32>windows
}

/** The last millisecond of the window that holds `time`. */
@inline
function lastMillisecond(time: i64, resolution: i64): f64 {
  const into = time % resolution
  return <f64>(time - (into < 0 ? into + resolution : into) + resolution - 1)
}
