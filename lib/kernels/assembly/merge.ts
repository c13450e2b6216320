// Two runs of samples as one: every time once, or one replica's samples at a time (Thanos's penalty).
// Specification: lib/dedup/walk.ts, which does the same by index; samples move as bits, so that no NaN changes.
// Owns nothing but where the last merge began; columns are f64 times and f64 values.

/** Samples of the first run before this index are untouched by the last merge: they all come first. */
export let mergeStart: i32 = 0

@unmanaged
export class MergeCall {
  timesA: usize
  valuesA: usize
  countA: i32
  timesB: usize
  valuesB: usize
  countB: i32
  times: usize
  values: usize
}

@inline
function time(times: usize, index: i32): f64 {
  return load<f64>(times + (<usize>index << 3))
}

@inline
function copy(call: MergeCall, to: i32, times: usize, values: usize, index: i32): void {
  const offset = <usize>to << 3
  const from = <usize>index << 3
  store<f64>(call.times + offset, load<f64>(times + from))
  store<u64>(call.values + offset, load<u64>(values + from))
}

/** Each time once, the first run's sample where both have it. Writes what comes from mergeStart on; returns its length. */
export function mergeChain(call: MergeCall, settled: i32): i32 {
  const countA = call.countA
  const countB = call.countB
  const firstB = time(call.timesB, 0)
  let a = settled
  while (a < countA && time(call.timesA, a) < firstB) a++
  mergeStart = a
  let b = 0
  let to = 0
  while (a < countA && b < countB) {
    const timeA = time(call.timesA, a)
    const timeB = time(call.timesB, b)
    if (timeB < timeA) copy(call, to++, call.timesB, call.valuesB, b)
    else copy(call, to++, call.timesA, call.valuesA, a)
    a += i32(timeA <= timeB)
    b += i32(timeB <= timeA)
  }
  while (a < countA) copy(call, to++, call.timesA, call.valuesA, a++)
  while (b < countB) copy(call, to++, call.timesB, call.valuesB, b++)
  return to
}

/** How long a replica that was not chosen waits where the scrape interval is not known yet, ms. */
const INITIAL_PENALTY: f64 = 5000

@inline
function penaltyAfter(last: f64, now: f64): f64 {
  return last == -Infinity ? INITIAL_PENALTY : 2 * (now - last)
}

@inline
function timeBefore(times: usize, index: i32): f64 {
  return index > 0 ? time(times, index - 1) : -Infinity
}

/** One replica's samples until it has a hole wider than twice its last interval, then the other's. Returns as mergeChain. */
export function mergePenalty(call: MergeCall, settled: i32): i32 {
  const countA = call.countA
  const countB = call.countB
  const firstB = time(call.timesB, 0)
  let a = settled
  while (a < countA) {
    const now = time(call.timesA, a)
    if (now + penaltyAfter(timeBefore(call.timesA, a), now) >= firstB) break
    a++
  }
  mergeStart = a
  let last = timeBefore(call.timesA, a)
  let penaltyA: f64 = 0
  let penaltyB: f64 = a > 0 ? penaltyAfter(timeBefore(call.timesA, a - 1), last) : 0
  let b = 0
  let to = 0
  for (;;) {
    while (a < countA && time(call.timesA, a) <= last + penaltyA) a++
    while (b < countB && time(call.timesB, b) <= last + penaltyB) b++
    const endA = a == countA
    const endB = b == countB
    if (endA && endB) break
    if (endB || (!endA && time(call.timesA, a) <= time(call.timesB, b))) {
      const now = time(call.timesA, a)
      if (!endB) penaltyB = penaltyAfter(last, now)
      penaltyA = 0
      last = now
      copy(call, to++, call.timesA, call.valuesA, a)
    } else {
      const now = time(call.timesB, b)
      if (!endA) penaltyA = penaltyAfter(last, now)
      penaltyB = 0
      last = now
      copy(call, to++, call.timesB, call.valuesB, b)
    }
  }
  return to
}
