// deriv and predict_linear by least squares over Kahan sums, double_exponential_smoothing
// (promql/functions.go: linearRegression, funcDoubleExponentialSmoothing).
import { compensate } from './kahan'
import { eachWindow, WindowCall } from './window'

let slope: f64 = 0
let intercept: f64 = 0

export function deriv(call: WindowCall): void {
  eachWindow(call, 2, (times, values, count, t, call) => {
    regress(times, values, count, load<f64>(times))
    return slope
  })
}

/** param0: seconds from the evaluation time on; param1: ms from a step to its evaluation time (the selector's offset). */
export function predictLinear(call: WindowCall): void {
  eachWindow(call, 2, (times, values, count, t, call) => {
    regress(times, values, count, t + call.param1)
    return slope * call.param0 + intercept
  })
}

/** Sets `slope` (per second) and `intercept` at `interceptTime`. */
function regress(times: usize, values: usize, count: i32, interceptTime: f64): void {
  let sumX: f64 = 0,
    cX: f64 = 0
  let sumY: f64 = 0,
    cY: f64 = 0
  let sumXY: f64 = 0,
    cXY: f64 = 0
  let sumX2: f64 = 0,
    cX2: f64 = 0
  const firstY = load<f64>(values)
  let constant = true
  for (let i = 0; i < count; i++) {
    const x = (load<f64>(times + ((<usize>i) << 3)) - interceptTime) / 1000
    const y = load<f64>(values + ((<usize>i) << 3))
    if (i > 0 && y != firstY) constant = false
    const nextX = sumX + x
    cX = compensate(sumX, x, nextX, cX)
    sumX = nextX
    const nextY = sumY + y
    cY = compensate(sumY, y, nextY, cY)
    sumY = nextY
    const nextXY = sumXY + x * y
    cXY = compensate(sumXY, x * y, nextXY, cXY)
    sumXY = nextXY
    const nextX2 = sumX2 + x * x
    cX2 = compensate(sumX2, x * x, nextX2, cX2)
    sumX2 = nextX2
  }
  if (constant) {
    const infinite = abs(firstY) == Infinity
    slope = infinite ? NaN : 0
    intercept = infinite ? NaN : firstY
    return
  }
  const n = <f64>count
  sumX += cX
  sumY += cY
  sumXY += cXY
  sumX2 += cX2
  const covariance = sumXY - (sumX * sumY) / n
  const variance = sumX2 - (sumX * sumX) / n
  slope = covariance / variance
  intercept = sumY / n - (slope * sumX) / n
}

/** param0: smoothing factor; param1: trend factor. */
export function smoothing(call: WindowCall): void {
  eachWindow(call, 2, (times, values, count, t, call) => {
    const smoothingFactor = call.param0
    const trendFactor = call.param1
    let before: f64 = 0
    let smoothed = load<f64>(values)
    let trend = load<f64>(values, 8) - smoothed
    for (let i = 1; i < count; i++) {
      const x = smoothingFactor * load<f64>(values + ((<usize>i) << 3))
      if (i > 1) trend = trendFactor * (smoothed - before) + (1 - trendFactor) * trend
      before = smoothed
      smoothed = x + (1 - smoothingFactor) * (smoothed + trend)
    }
    return smoothed
  })
}
