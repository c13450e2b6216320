// What the window functions have in common: their parameters, the stale samples that they drop, and each step's window.
// A window is (t − range, t]; its bounds are found by a guess from the step and the samples' mean interval.
// Owns the layout of a call; lib/kernels/instance.ts writes it.

/** The bits of the NaN that ends a series (value.StaleNaN). */
export const STALE: u64 = 0x7ff0000000000002

/** One call of a window function. Pointers are bytes, times and ranges ms; instance.ts writes these fields at these offsets. */
@unmanaged
export class WindowCall {
  /** f64 × (length + 1) each: the cell behind the last sample is the kernel's. */
  times: usize
  values: usize
  length: u32
  steps: u32
  startMs: f64
  stepMs: f64
  rangeMs: f64
  param0: f64
  param1: f64
  /** scratchBytes(length, steps), 16-byte aligned. */
  scratch: usize
  /** f64 × steps and u8 × steps. */
  outValues: usize
  outPresent: usize
}

/** Bytes of scratch that any window function takes. */
export function scratchBytes(length: u32, steps: u32): usize {
  const bounds = <usize>steps * 8 + 32
  const keptSamples = (<usize>length + 2) * 16 + 32
  const own = (<usize>length + 2) * 16 + (<usize>steps + 2) * 48 + 32
  return bounds + keptSamples + own
}

/** Takes bytes off the call's scratch, 16-byte aligned. */
export function take(call: WindowCall, bytes: usize): usize {
  const at = call.scratch
  call.scratch = at + ((bytes + 15) & ~15)
  return at
}

/** Index of the first stale sample, `length` where there is none. */
function firstStale(values: usize, length: u32): u32 {
  const stale = v128.splat<i64>(<i64>STALE)
  const end = values + (<usize>length << 3)
  let at = values
  for (; at + 32 <= end; at += 32) {
    const hit = v128.or(v128.eq<i64>(v128.load(at), stale), v128.eq<i64>(v128.load(at, 16), stale))
    if (v128.any_true(hit)) break
  }
  for (; at < end; at += 8) if (load<u64>(at) == STALE) break
  return <u32>((at - values) >> 3)
}

/** Points the call at a copy without stale samples where it has any. */
function dropStale(call: WindowCall): void {
  const times = call.times
  const values = call.values
  const length = call.length
  const first = firstStale(values, length)
  if (first == length) return
  const keptTimes = take(call, (<usize>length + 1) << 3)
  const keptValues = take(call, (<usize>length + 1) << 3)
  let kept = <usize>first << 3
  memory.copy(keptTimes, times, kept)
  memory.copy(keptValues, values, kept)
  for (let i = <usize>first << 3; i < <usize>length << 3; i += 8) {
    const bits = load<u64>(values + i)
    if (bits == STALE) continue
    store<f64>(keptTimes + kept, load<f64>(times + i))
    store<u64>(keptValues + kept, bits)
    kept += 8
  }
  call.times = keptTimes
  call.values = keptValues
  call.length = <u32>(kept >> 3)
}

/**
 * Drops stale samples, then writes each step's window as two byte offsets into the columns (u32 first, u32 end; an empty window has
 * end ≤ first). Returns where.
 */
export function windows(call: WindowCall): usize {
  dropStale(call)
  const bounds = take(call, <usize>call.steps << 3)
  const times = call.times
  const length = call.length
  const end = times + (<usize>length << 3)
  const stride = closeTimes(call)
  const rangeMs = call.rangeMs
  const stepMs = call.stepMs
  const boundsEnd = bounds + (<usize>call.steps << 3)
  // Where the range is a number of steps, a window begins behind the last sample of the window so many steps before.
  const stepsBack = rangeMs / stepMs
  const whole = stepsBack == floor(stepsBack) && stepsBack > 0 && stepsBack < <f64>call.steps
  const back = whole ? <usize>stepsBack << 3 : <usize>call.steps << 3
  let t = call.startMs
  let first = times
  let behind = times
  for (let at = bounds; at < boundsEnd; at += 8, t += stepMs) {
    first = at - bounds < back ? firstAfter(first, stride, end, t - rangeMs) : times + load<u32>(at - back, 4)
    behind = firstAfter(behind, stride, end, t)
    store<u32>(at, <u32>(first - times))
    store<u32>(at, <u32>(behind - times), 4)
  }
  return bounds
}

/**
 * Puts an infinite time behind the last one, where searches end. Returns how many bytes a bound moves from one step to the next,
 * were the samples evenly spaced.
 */
export function closeTimes(call: WindowCall): usize {
  const length = call.length
  const end = call.times + (<usize>length << 3)
  store<f64>(end, Infinity)
  if (length < 2) return 0
  const interval = (load<f64>(end - 8) - load<f64>(call.times)) / <f64>(length - 1)
  const guess = call.stepMs / interval
  return guess < <f64>length ? <usize>guess << 3 : <usize>length << 3
}

/** The first time after `bound` at `from` or later, a guess of `stride` bytes first; the cell at `end` is after every bound. */
@inline
export function firstAfter(from: usize, stride: usize, end: usize, bound: f64): usize {
  if (load<f64>(from) > bound) return from
  let at = from + stride
  at = at > end ? end : at
  at += <usize>(load<f64>(at) <= bound) << 3
  while (load<f64>(at) <= bound) at += 8
  while (load<f64>(at - 8) > bound) at -= 8
  return at
}

/** A function of the `count` samples at `times` and `values` at evaluation time `t`. */
export type WindowValue = (times: usize, values: usize, count: i32, t: f64, call: WindowCall) => f64

/** Fills the row: the function's value where a window has at least `least` (one or more) samples, absent elsewhere. */
export function eachWindow(call: WindowCall, least: i32, value: WindowValue): void {
  const bounds = windows(call)
  const times = call.times
  const values = call.values
  const steps = <usize>call.steps
  const outValues = call.outValues
  const outPresent = call.outPresent
  let t = call.startMs
  for (let i: usize = 0; i < steps; i++, t += call.stepMs) {
    const first = load<u32>(bounds + (i << 3))
    const count = (<i32>load<u32>(bounds + (i << 3), 4) - <i32>first) >> 3
    const enough = count >= least
    store<u8>(outPresent + i, <u8>enough)
    store<f64>(outValues + (i << 3), enough ? value(times + first, values + first, count, t, call) : 0)
  }
}
