// Sums of histograms to the last digit: what Kahan's summation has lost is added at the end, but for buckets within the zero bucket.
import { expect, test } from 'vitest'
import type { Histogram } from '../../../lib/histogram/histogram.ts'
import { HistogramSum } from '../../../lib/histogram/sum.ts'

/** Four buckets from 1 to 2 whose plain sum is off by one in the last digit. */
const quarters = [0.03502489297934046, 0.03472805214269704, 0.03498747993190973, 0.009051109052307682]

function histogram(part: Partial<Histogram>): Histogram {
  const none = { indexes: [], counts: [] }
  const zero = { zeroThreshold: 0, zeroCount: 0, count: 0, sum: 0 }
  return { hint: 'gauge', schema: 0, ...zero, positive: none, negative: none, customBounds: [], ...part }
}

/** The bucket from 1 to 2 of a sum that brings the four together. */
function brought(zeroThreshold: number): number {
  const fine = histogram({ schema: 2, zeroThreshold, positive: { indexes: [1, 2, 3, 4], counts: quarters } })
  const sum = new HistogramSum(fine, { compensated: true })
  sum.add(histogram({ schema: 0, zeroThreshold }))
  return sum.total().positive.counts[0]!
}

test('what was lost is added at the end', () => expect(brought(0.001)).toBe(0.11379153410625491))

// Prometheus adds it as another histogram, whose buckets are left out there.
test('but not to a bucket within the zero bucket', () => expect(brought(3)).toBe(0.11379153410625492))
