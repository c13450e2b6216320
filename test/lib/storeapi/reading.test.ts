// What functions read of downsampled data, how coarse it may be, and how far selectors look back: tables.
import { expect, test } from 'vitest'
import { aggregatesOf, boundResolutionMs, lookbackAtMs, readingOf } from '../../../lib/storeapi/reading.ts'
import { aggr } from '../../../lib/storeapi/types.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

test.each([
  ['', 0, ['count', 'sum']],
  ['sum', 0, ['count', 'sum']],
  ['avg', 0, ['count', 'sum']],
  ['topk', 0, ['count', 'sum']],
  ['min', 0, ['min']],
  ['max', 0, ['max']],
  ['count', 0, ['count']],
  ['count_values', 0, ['count', 'sum']],
  ['timestamp', 0, ['count', 'sum']],
  ['min_over_time', hourMs, ['min']],
  ['max_over_time', hourMs, ['max']],
  ['sum_over_time', hourMs, ['sum']],
  ['count_over_time', hourMs, ['count']],
  ['avg_over_time', hourMs, ['count', 'sum']],
  ['last_over_time', hourMs, ['count', 'sum']],
  ['quantile_over_time', hourMs, ['count', 'sum']],
  ['delta', hourMs, ['count', 'sum']],
  ['rate', hourMs, ['counter']],
  ['increase', hourMs, ['counter']],
  ['irate', hourMs, ['counter']],
  ['resets', hourMs, ['counter']],
  // Over a subquery's steps: each is a value, not a sum of many.
  ['sum_over_time', 0, ['count', 'sum']],
  ['rate', 0, ['counter']],
] as const)('%s over %i ms asks for %s', (func, rangeMs, names) => {
  expect(aggregatesOf(readingOf(func, rangeMs))).toEqual(names.map((name) => aggr[name]))
})

test.each([
  ['', 0, hourMs, hourMs],
  ['max_over_time', 5 * minuteMs, hourMs, hourMs],
  ['rate', 2 * hourMs, hourMs, hourMs],
  ['rate', 10 * minuteMs, hourMs, 5 * minuteMs],
  ['rate', 5 * minuteMs, hourMs, 150_000],
  ['delta', 20 * minuteMs, hourMs, 10 * minuteMs],
  ['rate', 0, hourMs, hourMs],
  ['rate', 2 * hourMs, 0, 0],
  ['sum_over_time', 5 * minuteMs, hourMs, 5 * minuteMs],
  ['count_over_time', minuteMs, hourMs, minuteMs],
  ['absent_over_time', 5 * minuteMs, hourMs, 5 * minuteMs],
])('%s over %i ms, where %i ms are allowed, reads %i ms at most', (func, rangeMs, maxResolutionMs, want) => {
  expect(boundResolutionMs(maxResolutionMs, func, rangeMs)).toBe(want)
})

test.each([
  [5 * minuteMs, 0, 5 * minuteMs],
  [minuteMs, 5 * minuteMs - 1, minuteMs],
  [minuteMs, 5 * minuteMs, 5 * minuteMs],
  [10 * minuteMs, 5 * minuteMs, 10 * minuteMs],
  [5 * minuteMs, hourMs, hourMs],
  [2 * hourMs, hourMs, 2 * hourMs],
])('a lookback of %i ms where %i ms are allowed is %i ms', (lookbackMs, maxResolutionMs, want) => {
  expect(lookbackAtMs(lookbackMs, maxResolutionMs)).toBe(want)
})
