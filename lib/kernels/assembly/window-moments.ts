// sum, avg, stddev and stdvar over time: each window anew, in Prometheus's order, so that sums agree to the last bit
// (promql/functions.go: funcSumOverTime, funcAvgOverTime, varianceOverTime). The windows of two steps run side by side as far as
// the shorter one goes: a Kahan sum waits for its last addition, and two of them wait no longer than one.
import { compensate, compensatePair } from './kahan'
import { WindowCall, windows } from './window'

export function sum(call: WindowCall): void {
  eachPair(call, Moment.Sum)
}

export function avg(call: WindowCall): void {
  eachPair(call, Moment.Mean)
}

export function stddev(call: WindowCall): void {
  eachPair(call, Moment.Deviation)
}

export function stdvar(call: WindowCall): void {
  eachPair(call, Moment.Variance)
}

enum Moment {
  Sum,
  Mean,
  Deviation,
  Variance,
}

@inline
function eachPair(call: WindowCall, moment: Moment): void {
  const bounds = windows(call)
  const boundsEnd = bounds + (<usize>call.steps << 3)
  let outValues = call.outValues
  let outPresent = call.outPresent
  for (let at = bounds; at < boundsEnd; at += 16) {
    const a = call.values + load<u32>(at)
    const aEnd = call.values + load<u32>(at, 4)
    // The last of an odd number of steps runs beside itself.
    const other = at + 8 < boundsEnd ? at + 8 : at
    const b = call.values + load<u32>(other)
    const bEnd = call.values + load<u32>(other, 4)
    if (moment == Moment.Sum || moment == Moment.Mean) sumPair(a, aEnd, b, bEnd)
    else squarePair(a, aEnd, b, bEnd)
    store<u8>(outPresent, <u8>(aEnd > a))
    store<f64>(outValues, aEnd > a ? momentOf(moment, a, aEnd, 0) : 0)
    if (other > at) {
      store<u8>(outPresent, <u8>(bEnd > b), 1)
      store<f64>(outValues, bEnd > b ? momentOf(moment, b, bEnd, 1) : 0, 8)
    }
    outValues += 16
    outPresent += 2
  }
}

// What both windows came to as far as they went side by side: lanes 0 and 1, and the bytes of each that were read.
// For sums `totals` are the sums; for squares `means` and the squared differences.
let totals: v128 = f64x2.splat(0)
let totalCs: v128 = f64x2.splat(0)
let means: v128 = f64x2.splat(0)
let meanCs: v128 = f64x2.splat(0)
let shared: usize = 0

/** Bytes that both windows have; none where one is empty. */
@inline
function sharedBytes(a: usize, aEnd: usize, b: usize, bEnd: usize): usize {
  return aEnd > a && bEnd > b ? min(aEnd - a, bEnd - b) : 0
}

@inline
function loadPair(a: usize, b: usize): v128 {
  return v128.load64_lane(b, v128.load64_zero(a), 1)
}

function sumPair(a: usize, aEnd: usize, b: usize, bEnd: usize): void {
  const bytes = sharedBytes(a, aEnd, b, bEnd)
  let sum = v128.splat<f64>(0)
  let c = v128.splat<f64>(0)
  for (let i: usize = 0; i < bytes; i += 8) {
    const x = loadPair(a + i, b + i)
    const next = v128.add<f64>(sum, x)
    c = compensatePair(sum, x, next, c)
    sum = next
  }
  totals = sum
  totalCs = c
  shared = bytes
}

/** Welford's recurrence over Kahan sums. */
function squarePair(a: usize, aEnd: usize, b: usize, bEnd: usize): void {
  const bytes = sharedBytes(a, aEnd, b, bEnd)
  let mean = v128.splat<f64>(0)
  let meanC = v128.splat<f64>(0)
  let squares = v128.splat<f64>(0)
  let squaresC = v128.splat<f64>(0)
  let count: f64 = 0
  for (let i: usize = 0; i < bytes; i += 8) {
    count += 1
    const x = loadPair(a + i, b + i)
    const difference = v128.sub<f64>(x, v128.add<f64>(mean, meanC))
    const share = v128.div<f64>(difference, v128.splat<f64>(count))
    const nextMean = v128.add<f64>(mean, share)
    meanC = compensatePair(mean, share, nextMean, meanC)
    mean = nextMean
    const square = v128.mul<f64>(difference, v128.sub<f64>(x, v128.add<f64>(mean, meanC)))
    const nextSquares = v128.add<f64>(squares, square)
    squaresC = compensatePair(squares, square, nextSquares, squaresC)
    squares = nextSquares
  }
  totals = squares
  totalCs = squaresC
  means = mean
  meanCs = meanC
  shared = bytes
}

@inline
function laneOf(pair: v128, lane: u8): f64 {
  return lane == 0 ? v128.extract_lane<f64>(pair, 0) : v128.extract_lane<f64>(pair, 1)
}

/** The value of the window [at, end), from where it stopped running side by side with the other. */
@inline
function momentOf(moment: Moment, at: usize, end: usize, lane: u8): f64 {
  const total = laneOf(totals, lane)
  const c = laneOf(totalCs, lane)
  if (moment == Moment.Sum) return restOfSum(at + shared, end, total, c)
  if (moment == Moment.Mean) return restOfMean(at, end, total, c)
  const variance = restOfSquares(at, end, total, c, laneOf(means, lane), laneOf(meanCs, lane))
  return moment == Moment.Deviation ? sqrt(variance) : variance
}

function restOfSum(at: usize, end: usize, sum: f64, c: f64): f64 {
  for (; at < end; at += 8) {
    const x = load<f64>(at)
    const next = sum + x
    c = compensate(sum, x, next, c)
    sum = next
  }
  return abs(sum) == Infinity ? sum : sum + c
}

/** The mean of the sum; where the sum overflows the mean is taken anew, incrementally from there on. */
function restOfMean(start: usize, end: usize, sum: f64, c: f64): f64 {
  for (let at = start + shared; at < end; at += 8) {
    const x = load<f64>(at)
    const next = sum + x
    c = compensate(sum, x, next, c)
    sum = next
  }
  // A sum that has been infinite stays so, or becomes NaN.
  if (!(abs(sum) < Infinity)) return carefulMean(start, end)
  const count = <f64>((end - start) >> 3)
  return sum / count + c / count
}

function carefulMean(start: usize, end: usize): f64 {
  let sum = load<f64>(start)
  let c: f64 = 0
  let at = start + 8
  for (; at < end; at += 8) {
    const x = load<f64>(at)
    const next = sum + x
    if (abs(next) == Infinity) break
    c = compensate(sum, x, next, c)
    sum = next
  }
  let count = <f64>((at - start) >> 3)
  let mean = sum / count
  c /= count
  for (; at < end; at += 8) {
    count += 1
    const q = (count - 1) / count
    const share = load<f64>(at) / count
    const scaled = q * mean
    mean = scaled + share
    c = compensate(scaled, share, mean, q * c)
  }
  return mean + c
}

function restOfSquares(start: usize, end: usize, squares: f64, squaresC: f64, mean: f64, meanC: f64): f64 {
  let count = <f64>(shared >> 3)
  for (let at = start + shared; at < end; at += 8) {
    count += 1
    const x = load<f64>(at)
    const difference = x - (mean + meanC)
    const share = difference / count
    const nextMean = mean + share
    meanC = compensate(mean, share, nextMean, meanC)
    mean = nextMean
    const square = difference * (x - (mean + meanC))
    const nextSquares = squares + square
    squaresC = compensate(squares, square, nextSquares, squaresC)
    squares = nextSquares
  }
  return (squares + squaresC) / count
}
