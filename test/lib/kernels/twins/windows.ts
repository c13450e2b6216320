// Twin of the window kernels in plain TypeScript: each window is gathered anew and handed to the function's definition.
// Specification: Prometheus 3.14, promql/functions.go, quantile.go, engine.go (matrixIterSlice, vectorSelectorSingle).
import type { Steps, WindowFunction } from '../../../../lib/kernels/kernels.ts'
import { KahanSum } from './kahan.ts'

export const staleBits = 0x7ff0000000000002n

export interface TwinRow {
  values: Float64Array
  present: Uint8Array
}

export function twinRow(steps: number): TwinRow {
  return { values: new Float64Array(steps), present: new Uint8Array(steps) }
}

export interface TwinSamples {
  times: Float64Array
  values: Float64Array
}

/** One window: samples [first, end) of a series without stale markers. */
interface Window extends TwinSamples {
  t: number
  rangeMs: number
  params: readonly number[]
}

/** A value; or the index of the sample whose bits are the value; or nothing. */
type Result = number | { sample: number } | undefined

export function windowTwin(
  func: WindowFunction,
  from: TwinSamples,
  call: { steps: Steps; rangeMs: number; params: readonly number[] },
): TwinRow {
  const { steps, rangeMs, params } = call
  const { times, values } = withoutStale(from)
  const out = twinRow(steps.count)
  const outBits = new BigUint64Array(out.values.buffer)
  for (let i = 0; i < steps.count; i++) {
    const t = steps.startMs + i * steps.stepMs
    let first = 0
    while (first < times.length && times[first]! <= t - rangeMs) first++
    let end = first
    while (end < times.length && times[end]! <= t) end++
    if (end === first) continue
    const window = { times: times.subarray(first, end), values: values.subarray(first, end), t, rangeMs, params }
    const result = definitions[func](window)
    if (result === undefined) continue
    out.present[i] = 1
    if (typeof result === 'number') out.values[i] = result
    else outBits[i] = new BigUint64Array(values.buffer)[first + result.sample]!
  }
  return out
}

function withoutStale({ times, values }: TwinSamples): TwinSamples {
  const bits = new BigUint64Array(values.buffer, values.byteOffset, values.length)
  const kept = Array.from(bits.keys()).filter((i) => bits[i] !== staleBits)
  const keptBits = BigUint64Array.from(kept, (i) => bits[i]!)
  return { times: Float64Array.from(kept, (i) => times[i]!), values: new Float64Array(keptBits.buffer) }
}

const definitions: Record<WindowFunction, (window: Window) => Result> = {
  rate: (w) => extrapolatedRate(w, true, true),
  increase: (w) => extrapolatedRate(w, true, false),
  delta: (w) => extrapolatedRate(w, false, false),
  irate: (w) => instantValue(w, true),
  idelta: (w) => instantValue(w, false),
  sum_over_time: (w) => sum(w.values),
  avg_over_time: (w) => average(w.values),
  count_over_time: (w) => w.values.length,
  min_over_time: (w) => best(w, (x, kept) => x < kept),
  max_over_time: (w) => best(w, (x, kept) => x > kept),
  last_over_time: (w) => ({ sample: w.values.length - 1 }),
  present_over_time: () => 1,
  stddev_over_time: (w) => Math.sqrt(variance(w.values)),
  stdvar_over_time: (w) => variance(w.values),
  mad_over_time: (w) => medianDeviation(w.values),
  quantile_over_time: (w) => quantile(w.params[0]!, w.values),
  changes: (w) => count(w.values, (x, before) => x !== before && !(Number.isNaN(x) && Number.isNaN(before))),
  resets: (w) => count(w.values, (x, before) => x < before),
  deriv: (w) => (w.values.length < 2 ? undefined : regression(w, w.times[0]!).slope),
  predict_linear: predict,
  double_exponential_smoothing: smoothing,
  first_over_time: () => ({ sample: 0 }),
  ts_of_first_over_time: (w) => w.times[0]! / 1000,
  ts_of_last_over_time: (w) => w.times.at(-1)! / 1000,
  ts_of_min_over_time: (w) => w.times[best(w, (x, kept) => x <= kept).sample]! / 1000,
  ts_of_max_over_time: (w) => w.times[best(w, (x, kept) => x >= kept).sample]! / 1000,
}

function extrapolatedRate({ times, values, t, rangeMs }: Window, isCounter: boolean, isRate: boolean): Result {
  if (values.length < 2) return undefined
  const firstTime = times[0]!
  const lastTime = times.at(-1)!
  let increase = values.at(-1)! - values[0]!
  if (isCounter) for (let i = 1; i < values.length; i++) if (values[i]! < values[i - 1]!) increase += values[i - 1]!
  let toStart = (firstTime - (t - rangeMs)) / 1000
  let toEnd = (t - lastTime) / 1000
  const sampled = (lastTime - firstTime) / 1000
  const interval = sampled / (values.length - 1)
  const threshold = interval * 1.1
  if (toStart >= threshold) toStart = interval / 2
  const toZero = sampled * (values[0]! / increase)
  if (isCounter && increase > 0 && values[0]! >= 0 && toZero < toStart) toStart = toZero
  if (toEnd >= threshold) toEnd = interval / 2
  const factor = (sampled + toStart + toEnd) / sampled
  // As Go's Duration.Seconds.
  const rangeSeconds = Math.floor(rangeMs / 1000) + ((rangeMs % 1000) * 1e6) / 1e9
  return increase * (isRate ? factor / rangeSeconds : factor)
}

function instantValue({ times, values }: Window, isRate: boolean): Result {
  if (values.length < 2) return undefined
  const last = values.at(-1)!
  const before = values.at(-2)!
  const change = isRate && last < before ? last : last - before
  return isRate ? change / ((times.at(-1)! - times.at(-2)!) / 1000) : change
}

function sum(values: Float64Array): number {
  const total = new KahanSum()
  for (const x of values) total.add(x)
  return Math.abs(total.sum) === Infinity ? total.sum : total.sum + total.c
}

function average(values: Float64Array): number {
  let total = new KahanSum(values[0]!)
  let incremental = false
  for (let i = 1; i < values.length; i++) {
    const x = values[i]!
    if (!incremental) {
      const next = new KahanSum(total.sum, total.c)
      next.add(x)
      if (Math.abs(next.sum) !== Infinity) {
        total = next
        continue
      }
      incremental = true
      total = new KahanSum(total.sum / i, total.c / i)
    }
    const q = i / (i + 1)
    total = new KahanSum(q * total.sum, q * total.c)
    total.add(x / (i + 1))
  }
  return incremental ? total.sum + total.c : total.sum / values.length + total.c / values.length
}

function best({ values }: Window, wins: (x: number, kept: number) => boolean): { sample: number } {
  let sample = 0
  for (let i = 0; i < values.length; i++)
    if (wins(values[i]!, values[sample]!) || Number.isNaN(values[sample]!)) sample = i
  return { sample }
}

function variance(values: Float64Array): number {
  const mean = new KahanSum()
  const squares = new KahanSum()
  values.forEach((x, i) => {
    const difference = x - (mean.sum + mean.c)
    mean.add(difference / (i + 1))
    squares.add(difference * (x - (mean.sum + mean.c)))
  })
  return (squares.sum + squares.c) / values.length
}

export function quantile(phi: number, values: Float64Array): number {
  if (Number.isNaN(phi)) return Number.NaN
  if (phi < 0) return -Infinity
  if (phi > 1) return Infinity
  const sorted = [...values].sort((a, b) => (Number.isNaN(a) ? -1 : Number.isNaN(b) ? 1 : a - b || 0))
  const rank = phi * (sorted.length - 1)
  const lower = Math.floor(rank)
  const upper = Math.min(sorted.length - 1, lower + 1)
  const weight = rank - lower
  return sorted[lower]! * (1 - weight) + sorted[upper]! * weight
}

function medianDeviation(values: Float64Array): number {
  if (values.some(Number.isNaN)) return Number.NaN
  const median = quantile(0.5, values)
  return quantile(
    0.5,
    values.map((x) => Math.abs(x - median)),
  )
}

function count(values: Float64Array, event: (x: number, before: number) => boolean): number {
  let events = 0
  for (let i = 1; i < values.length; i++) if (event(values[i]!, values[i - 1]!)) events++
  return events
}

function regression({ times, values }: Window, interceptTime: number): { slope: number; intercept: number } {
  const y0 = values[0]!
  if (values.every((y, i) => i === 0 || y === y0)) {
    return Math.abs(y0) === Infinity ? { slope: Number.NaN, intercept: Number.NaN } : { slope: 0, intercept: y0 }
  }
  const xs = times.map((time) => (time - interceptTime) / 1e3)
  const total = (value: (i: number) => number) => {
    const kahan = new KahanSum()
    for (let i = 0; i < values.length; i++) kahan.add(value(i))
    return kahan.sum + kahan.c
  }
  const n = values.length
  const x = total((i) => xs[i]!)
  const y = total((i) => values[i]!)
  const xy = total((i) => xs[i]! * values[i]!)
  const x2 = total((i) => xs[i]! * xs[i]!)
  const slope = (xy - (x * y) / n) / (x2 - (x * x) / n)
  return { slope, intercept: y / n - (slope * x) / n }
}

function predict(w: Window): Result {
  if (w.values.length < 2) return undefined
  const { slope, intercept } = regression(w, w.t + (w.params[1] ?? 0))
  return slope * w.params[0]! + intercept
}

function smoothing({ values, params }: Window): Result {
  if (values.length < 2) return undefined
  const [smoothingFactor = 0, trendFactor = 0] = params
  let before = 0
  let smoothed = values[0]!
  let trend = values[1]! - values[0]!
  for (let i = 1; i < values.length; i++) {
    if (i > 1) trend = trendFactor * (smoothed - before) + (1 - trendFactor) * trend
    const next = smoothingFactor * values[i]! + (1 - smoothingFactor) * (smoothed + trend)
    before = smoothed
    smoothed = next
  }
  return smoothed
}

/** The instant selector: values keep their bits. */
export function lookbackTwin(
  { times, values }: TwinSamples,
  steps: Steps,
  lookbackMs: number,
): TwinRow & { times: Float64Array } {
  const out = { ...twinRow(steps.count), times: new Float64Array(steps.count) }
  const bits = new BigUint64Array(values.buffer, values.byteOffset, values.length)
  for (let i = 0; i < steps.count; i++) {
    const t = steps.startMs + i * steps.stepMs
    const last = times.findLastIndex((time) => time <= t)
    if (last < 0 || bits[last] === staleBits) continue
    if (times[last]! <= t - lookbackMs && times[last] !== t) continue
    out.present[i] = 1
    new BigUint64Array(out.values.buffer)[i] = bits[last]!
    out.times[i] = times[last]!
  }
  return out
}
