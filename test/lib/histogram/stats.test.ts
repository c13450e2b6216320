// Hints in place of buckets: known where a series is read on from the histogram before, not where it is sought.
import { expect, test } from 'vitest'
import { type Histogram, noBuckets } from '../../../lib/histogram/histogram.ts'
import { statsOf } from '../../../lib/histogram/stats.ts'

const minuteMs = 60_000

function counter(count: number): Histogram {
  const zero = { zeroThreshold: 0, zeroCount: 0, sum: 0 }
  const positive = { indexes: [0], counts: [count] }
  return { hint: 'unknown', schema: 0, ...zero, count, positive, negative: noBuckets, customBounds: [] }
}

/** Hints of a series with a sample a minute, its windows ending at minute 2 and every so many later. */
function hints(counts: readonly (number | 'stale')[], { stepMinutes, count }: { stepMinutes: number; count: number }) {
  const points = counts.map((of, i) => ({ timeMs: i * minuteMs, histogram: of === 'stale' ? undefined : counter(of) }))
  const windows = { startMs: 2 * minuteMs, stepMs: stepMinutes * minuteMs, count, rangeMs: 2 * minuteMs }
  return statsOf(points, windows).map(({ histogram }) => histogram?.hint)
}

test('windows that touch are read through', () => {
  const want = ['unknown', 'unknown', 'reset', 'not_reset', 'not_reset']
  expect(hints([4, 5, 1, 2, 3], { stepMinutes: 2, count: 2 })).toEqual(want)
})

test('what lies between two windows is passed over: the first sample of the second one is compared with nothing', () => {
  const between = ['unknown', 'unknown', 'unknown']
  const want = ['unknown', 'unknown', 'not_reset', ...between, 'unknown', 'not_reset', 'not_reset']
  expect(hints([1, 2, 3, 4, 5, 6, 1, 2, 3], { stepMinutes: 6, count: 2 })).toEqual(want)
})

test('a stale marker is no histogram to compare with', () => {
  const want = ['unknown', 'unknown', undefined, 'not_reset']
  expect(hints([1, 2, 'stale', 3], { stepMinutes: 2, count: 2 })).toEqual(want)
})
