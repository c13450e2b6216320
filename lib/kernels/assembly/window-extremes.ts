// min and max over time, and when they were: a deque of the samples that may still win, so each sample is looked at about once.
// NaN loses against every number; where a window has nothing but NaN, its last one wins (promql/functions.go: compareOverTime).
import { take, WindowCall, windows } from './window'

export function min(call: WindowCall): void {
  extremes(call, false, false, false)
}

export function max(call: WindowCall): void {
  extremes(call, true, false, false)
}

/** Seconds; of equal minima the last one's time, where min_over_time takes the first. */
export function tsOfMin(call: WindowCall): void {
  extremes(call, false, true, true)
}

export function tsOfMax(call: WindowCall): void {
  extremes(call, true, true, true)
}

/** Whether `x`, which comes later, leaves no chance to `kept`. */
@inline
function beats(x: f64, kept: f64, greatest: bool, lastWins: bool): bool {
  if (lastWins && x == kept) return true
  return greatest ? x > kept : x < kept
}

@inline
function extremes(call: WindowCall, greatest: bool, lastWins: bool, wantTime: bool): void {
  const bounds = windows(call)
  const times = call.times
  const values = call.values
  // Byte offsets of candidates, the best first; each sample enters once, so the queue never wraps.
  const queue = take(call, <usize>call.length << 2)
  let head = queue
  let tail = queue
  let seen: usize = 0
  const outValues = call.outValues
  const outPresent = call.outPresent
  for (let i: usize = 0; i < <usize>call.steps; i++) {
    const first = <usize>load<u32>(bounds + (i << 3))
    const end = <usize>load<u32>(bounds + (i << 3), 4)
    if (seen < first) seen = first
    for (; seen < end; seen += 8) {
      const x = load<f64>(values + seen)
      if (x != x) continue
      while (tail > head && beats(x, load<f64>(values + load<u32>(tail - 4)), greatest, lastWins)) tail -= 4
      store<u32>(tail, <u32>seen)
      tail += 4
    }
    while (head < tail && load<u32>(head) < <u32>first) head += 4
    store<u8>(outPresent + i, <u8>(end > first))
    if (end <= first) {
      store<f64>(outValues + (i << 3), 0)
      continue
    }
    const best = head < tail ? <usize>load<u32>(head) : end - 8
    store<f64>(outValues + (i << 3), wantTime ? load<f64>(times + best) / 1000 : load<f64>(values + best))
  }
}
