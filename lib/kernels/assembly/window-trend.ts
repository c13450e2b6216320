// deriv and predict_linear by least squares over Kahan sums, double_exponential_smoothing
// (promql/functions.go: linearRegression, funcDoubleExponentialSmoothing).
import { compensatePair } from './kahan'
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

/** Sets `slope` (per second) and `intercept` at `interceptTime`. The four sums run as two pairs: (x, y) and (xy, x²). */
function regress(times: usize, values: usize, count: i32, interceptTime: f64): void {
  let sums = v128.splat<f64>(0)
  let cs = v128.splat<f64>(0)
  let products = v128.splat<f64>(0)
  let productCs = v128.splat<f64>(0)
  const firstY = load<f64>(values)
  let constant = true
  for (let i: usize = 0; i < <usize>count << 3; i += 8) {
    const x = (load<f64>(times + i) - interceptTime) / 1000
    const y = load<f64>(values + i)
    if (i > 0 && y != firstY) constant = false
    const pair = v128.replace_lane<f64>(v128.splat<f64>(x), 1, y)
    const next = v128.add<f64>(sums, pair)
    cs = compensatePair(sums, pair, next, cs)
    sums = next
    // x × (y, x)
    const product = v128.mul<f64>(v128.splat<f64>(x), v128.replace_lane<f64>(v128.splat<f64>(y), 1, x))
    const nextProducts = v128.add<f64>(products, product)
    productCs = compensatePair(products, product, nextProducts, productCs)
    products = nextProducts
  }
  if (constant) {
    const infinite = abs(firstY) == Infinity
    slope = infinite ? NaN : 0
    intercept = infinite ? NaN : firstY
    return
  }
  const n = <f64>count
  sums = v128.add<f64>(sums, cs)
  products = v128.add<f64>(products, productCs)
  const sumX = v128.extract_lane<f64>(sums, 0)
  const sumY = v128.extract_lane<f64>(sums, 1)
  const covariance = v128.extract_lane<f64>(products, 0) - (sumX * sumY) / n
  const variance = v128.extract_lane<f64>(products, 1) - (sumX * sumX) / n
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
