// What a function reads of downsampled data: which aggregates a store is asked for, and how coarse they may be.
// After Thanos pkg/query/querier.go (aggrsFromFunc, maxResolutionFromSelectHints), which counts and averages windows where
// samples are meant. Owns that choice; downsampled.ts reads what came.
import { type Aggr, aggr } from './types.ts'

/** Resolutions that downsampled data has, ms. */
export const fiveMinutesMs = 300_000
export const oneHourMs = 3_600_000

/**
 * What a window of downsampled samples is to a function. `average`, `min`, `max` and `sum` are a sample each; `count` is one
 * whose value no one looks at; `counts` and `totals` (sums and counts) are added up over a range; `counter` never falls, and
 * `resets` falls where the counter is known to have been reset.
 */
export type Reading = 'average' | 'min' | 'max' | 'sum' | 'count' | 'counts' | 'totals' | 'counter' | 'resets'

const readings = new Map<string, Reading>([
  ...(['min', 'min_over_time', 'ts_of_min_over_time'] as const).map((func) => [func, 'min'] as const),
  ...(['max', 'max_over_time', 'ts_of_max_over_time'] as const).map((func) => [func, 'max'] as const),
  ...(['count', 'group', 'absent', 'absent_over_time', 'present_over_time', 'count_over_time'] as const).map(
    (func) => [func, 'count'] as const,
  ),
  ...(['rate', 'increase', 'irate'] as const).map((func) => [func, 'counter'] as const),
  ['resets', 'resets'],
])

/** Over the samples themselves, and not over the steps of a subquery. */
const rangeReadings = new Map<string, Reading>([
  ['sum_over_time', 'sum'],
  ['count_over_time', 'counts'],
  ['avg_over_time', 'totals'],
])

/** What the function or aggregation right above a selector reads; `rangeMs` is 0 for an instant selector. */
export function readingOf(func: string, rangeMs: number): Reading {
  return (rangeMs > 0 ? rangeReadings.get(func) : undefined) ?? readings.get(func) ?? 'average'
}

const wanted: { readonly [R in Reading]: readonly Aggr[] } = {
  average: [aggr.count, aggr.sum],
  totals: [aggr.count, aggr.sum],
  min: [aggr.min],
  max: [aggr.max],
  sum: [aggr.sum],
  count: [aggr.count],
  counts: [aggr.count],
  counter: [aggr.counter],
  resets: [aggr.counter],
}

/** The aggregates to ask a store for. Raw chunks come whatever is asked for. */
export function aggregatesOf(reading: Reading): readonly Aggr[] {
  return wanted[reading]
}

/** They compare samples: a window of one says nothing. */
const needTwoSamples: ReadonlySet<string> = new Set([
  ...['rate', 'increase', 'irate', 'delta', 'idelta', 'deriv', 'predict_linear', 'double_exponential_smoothing'],
  ...['changes', 'resets'],
])

/** What is added up must not come from outside the range; and a range between the ends of two windows does not lack samples. */
const needWholeWindows: ReadonlySet<string> = new Set([
  'sum_over_time',
  'count_over_time',
  'absent_over_time',
  'present_over_time',
])

/** The coarsest resolution that the function's range bears, at most `maxResolutionMs`. */
export function boundResolutionMs(maxResolutionMs: number, func: string, rangeMs: number): number {
  if (rangeMs === 0) return maxResolutionMs
  if (needTwoSamples.has(func)) return Math.min(maxResolutionMs, Math.floor(rangeMs / 2))
  return needWholeWindows.has(func) ? Math.min(maxResolutionMs, rangeMs) : maxResolutionMs
}

/** How far back an instant selector looks where data of that resolution may be read. */
export function lookbackAtMs(lookbackMs: number, maxResolutionMs: number): number {
  if (maxResolutionMs >= oneHourMs) return Math.max(lookbackMs, oneHourMs)
  return maxResolutionMs >= fiveMinutesMs ? Math.max(lookbackMs, fiveMinutesMs) : lookbackMs
}
