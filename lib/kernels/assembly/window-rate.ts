// rate, increase and delta with extrapolation, irate and idelta (promql/functions.go: extrapolatedRate, instantValue).
// First one pass gathers each window's edges, then the extrapolation runs over two steps at a time.

import { take, WindowCall, windows } from './window'
import { listResets } from './window-events'

export function rate(call: WindowCall): void {
  extrapolate(call, true, true)
}

export function increase(call: WindowCall): void {
  extrapolate(call, true, false)
}

export function delta(call: WindowCall): void {
  extrapolate(call, false, false)
}

/** A duration of whole ms in seconds, rounded as Go's Duration.Seconds does it: seconds and fraction apart. */
function goSeconds(ms: f64): f64 {
  const seconds = trunc(ms / 1000)
  return seconds + ((ms - seconds * 1000) * 1e6) / 1e9
}

// Rows of a step's edges, one f64 a step each, `stride` bytes apart: ms from the window's start to the first sample, ms from the
// last sample to its end, ms between them, the first value, the increase with resets added, the number of samples minus 1.
// A step without a value has harmless numbers and 0 intervals.

@inline
function gatherEdges(call: WindowCall, bounds: usize, edges: usize, stride: usize, isCounter: bool): void {
  const times = call.times
  const values = call.values
  const steps = <usize>call.steps
  let reset = isCounter ? listResets(call) : 0
  let t = call.startMs
  for (let i: usize = 0; i < steps; i++, t += call.stepMs) {
    const first = <usize>load<u32>(bounds + (i << 3))
    const end = <usize>load<u32>(bounds + (i << 3), 4)
    let at = edges + (i << 3)
    const firstTime = load<f64>(times + first)
    const firstValue = load<f64>(values + first)
    const enough = end > first + 8
    store<u8>(call.outPresent + i, <u8>enough)
    store<f64>(at, firstTime - (t - call.rangeMs))
    store<f64>(at + stride * 3, firstValue)
    if (!enough) {
      store<f64>(at + stride * 5, 0)
      continue
    }
    const lastTime = load<f64>(times + end - 8)
    let increase = load<f64>(values + end - 8) - firstValue
    if (isCounter) {
      while (load<u32>(reset) <= <u32>first) reset += 4
      for (let r = reset; load<u32>(r) < <u32>end; r += 4) increase += load<f64>(values + load<u32>(r) - 8)
    }
    store<f64>(at + stride, t - lastTime)
    store<f64>(at + stride * 2, lastTime - firstTime)
    store<f64>(at + stride * 4, increase)
    store<f64>(at + stride * 5, <f64>((end - first - 8) >> 3))
  }
}

@inline
function extrapolate(call: WindowCall, isCounter: bool, isRate: bool): void {
  const bounds = windows(call)
  const stride = (<usize>call.steps * 8 + 15) & ~15
  const edges = take(call, stride * 6)
  gatherEdges(call, bounds, edges, stride, isCounter)
  const thousand = v128.splat<f64>(1000)
  const half = v128.splat<f64>(0.5)
  const zero = v128.splat<f64>(0)
  const one = v128.splat<f64>(1)
  const nearby = v128.splat<f64>(1.1)
  const rangeSeconds = v128.splat<f64>(goSeconds(call.rangeMs))
  const end = edges + (<usize>call.steps << 3)
  let out = call.outValues
  for (let at = edges; at < end; at += 16, out += 16) {
    let toStart = v128.div<f64>(v128.load(at), thousand)
    let toEnd = v128.div<f64>(v128.load(at + stride), thousand)
    const sampled = v128.div<f64>(v128.load(at + stride * 2), thousand)
    const increase = v128.load(at + stride * 4)
    const intervals = v128.load(at + stride * 5)
    const interval = v128.div<f64>(sampled, intervals)
    const threshold = v128.mul<f64>(interval, nearby)
    const halfInterval = v128.mul<f64>(interval, half)
    toStart = v128.bitselect(halfInterval, toStart, v128.ge<f64>(toStart, threshold))
    toEnd = v128.bitselect(halfInterval, toEnd, v128.ge<f64>(toEnd, threshold))
    if (isCounter) {
      // A counter is not extrapolated below zero.
      const firstValue = v128.load(at + stride * 3)
      const toZero = v128.mul<f64>(sampled, v128.div<f64>(firstValue, increase))
      const rises = v128.and(v128.gt<f64>(increase, zero), v128.ge<f64>(firstValue, zero))
      toStart = v128.bitselect(toZero, toStart, v128.and(rises, v128.lt<f64>(toZero, toStart)))
    }
    let factor = v128.div<f64>(v128.add<f64>(v128.add<f64>(sampled, toStart), toEnd), sampled)
    factor = v128.bitselect(one, factor, v128.eq<f64>(sampled, zero))
    if (isRate) factor = v128.div<f64>(factor, rangeSeconds)
    const result = v128.and(v128.mul<f64>(increase, factor), v128.gt<f64>(intervals, zero))
    if (at + 8 < end) v128.store(out, result)
    else v128.store_lane<f64>(out, result, 0)
  }
}

export function irate(call: WindowCall): void {
  lastTwo(call, true)
}

export function idelta(call: WindowCall): void {
  lastTwo(call, false)
}

@inline
function lastTwo(call: WindowCall, isRate: bool): void {
  const bounds = windows(call)
  for (let i: usize = 0; i < <usize>call.steps; i++) {
    const first = <usize>load<u32>(bounds + (i << 3))
    const end = <usize>load<u32>(bounds + (i << 3), 4)
    let elapsed: f64 = 0
    if (end > first + 8) elapsed = load<f64>(call.times + end - 8) - load<f64>(call.times + end - 16)
    let result: f64 = 0
    if (elapsed != 0) {
      const before = load<f64>(call.values + end - 16)
      result = load<f64>(call.values + end - 8)
      if (!isRate || !(result < before)) result -= before
      if (isRate) result /= elapsed / 1000
    }
    store<u8>(call.outPresent + i, <u8>(elapsed != 0))
    store<f64>(call.outValues + (i << 3), result)
  }
}
