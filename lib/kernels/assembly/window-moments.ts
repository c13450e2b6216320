// sum, avg, stddev and stdvar over time: each window anew, in Prometheus's order, so that sums agree to the last bit
// (promql/functions.go: funcSumOverTime, funcAvgOverTime, varianceOverTime).
import { compensate } from './kahan'
import { eachWindow, WindowCall } from './window'

export function sum(call: WindowCall): void {
  eachWindow(call, 1, windowSum)
}

export function avg(call: WindowCall): void {
  eachWindow(call, 1, windowAvg)
}

export function stddev(call: WindowCall): void {
  eachWindow(call, 1, (times, values, count, t, call) => sqrt(windowVariance(values, count)))
}

export function stdvar(call: WindowCall): void {
  eachWindow(call, 1, (times, values, count, t, call) => windowVariance(values, count))
}

function windowSum(times: usize, values: usize, count: i32, t: f64, call: WindowCall): f64 {
  let sum: f64 = 0
  let c: f64 = 0
  const end = values + ((<usize>count) << 3)
  for (let at = values; at < end; at += 8) {
    const x = load<f64>(at)
    const next = sum + x
    c = compensate(sum, x, next, c)
    sum = next
  }
  return abs(sum) == Infinity ? sum : sum + c
}

/** The mean of the sum; once the sum would overflow, the incremental mean from there on. */
function windowAvg(times: usize, values: usize, count: i32, t: f64, call: WindowCall): f64 {
  let sum = load<f64>(values)
  let c: f64 = 0
  for (let i = 1; i < count; i++) {
    const x = load<f64>(values + ((<usize>i) << 3))
    const next = sum + x
    if (abs(next) == Infinity) return incrementalMean(values, i, count, sum, c)
    c = compensate(sum, x, next, c)
    sum = next
  }
  return sum / <f64>count + c / <f64>count
}

/** Goes on from `sum` and `c` of the `from` samples before. */
function incrementalMean(values: usize, from: i32, count: i32, sum: f64, c: f64): f64 {
  let mean = sum / <f64>from
  c /= <f64>from
  for (let i = from; i < count; i++) {
    const n = <f64>(i + 1)
    const q = <f64>i / n
    const x = load<f64>(values + ((<usize>i) << 3)) / n
    const scaled = q * mean
    mean = scaled + x
    c = compensate(scaled, x, mean, q * c)
  }
  return mean + c
}

/** Welford's recurrence over Kahan sums. */
function windowVariance(values: usize, count: i32): f64 {
  let mean: f64 = 0
  let meanC: f64 = 0
  let squares: f64 = 0
  let squaresC: f64 = 0
  for (let i = 0; i < count; i++) {
    const x = load<f64>(values + ((<usize>i) << 3))
    const difference = x - (mean + meanC)
    const share = difference / <f64>(i + 1)
    const nextMean = mean + share
    meanC = compensate(mean, share, nextMean, meanC)
    mean = nextMean
    const square = difference * (x - (mean + meanC))
    const nextSquares = squares + square
    squaresC = compensate(squares, square, nextSquares, squaresC)
    squares = nextSquares
  }
  return (squares + squaresC) / <f64>count
}
