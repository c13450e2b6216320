// Tables over the pure functions: Go's spellings, quantiles, order of equal values, dates, powers.
import { describe, expect, test } from 'vitest'
import { dayOfYear, daysInMonth, wideDate, yearOf } from '../../../../lib/promql/functions/dates.ts'
import { formatDecimal, formatG, parseFloatGo, quoteGo } from '../../../../lib/promql/functions/go-format.ts'
import { log10, pow } from '../../../../lib/promql/functions/go-math.ts'
import { naturalLess } from '../../../../lib/promql/functions/natural-sort.ts'
import { bucketFraction, bucketQuantile, quantileOf } from '../../../../lib/promql/functions/quantile.ts'
import { ascending, descending, ValueHeap } from '../../../../lib/promql/functions/value-heap.ts'

describe('Go spellings', () => {
  test.each([
    [0, '0', '0'],
    [-0, '-0', '-0'],
    [1e21, '1000000000000000000000', '1e+21'],
    [1234567, '1234567', '1.234567e+06'],
    [123456, '123456', '123456'],
    [0.0001, '0.0001', '0.0001'],
    [0.00001, '0.00001', '1e-05'],
    [-1.5e-7, '-0.00000015', '-1.5e-07'],
    [Infinity, '+Inf', '+Inf'],
    [NaN, 'NaN', 'NaN'],
  ])('%d', (value, decimal, general) => {
    expect(formatDecimal(value)).toBe(decimal)
    expect(formatG(value)).toBe(general)
  })

  test.each([
    [123, '1.2e+02'],
    [10, '10'],
    [5, '5'],
    [0.25, '0.25'],
  ])('two digits of %d', (value, want) => expect(formatG(value, 2)).toBe(want))

  test.each([
    ['1e3', 1000],
    ['.5', 0.5],
    ['+Inf', Infinity],
    ['-inf', -Infinity],
    ['', undefined],
    ['1x', undefined],
    ['1e999', undefined],
  ])('parse %j', (text, want) => expect(parseFloatGo(text)).toBe(want))

  test.each([
    ['a"b\\', '"a\\"b\\\\"'],
    ['tab\t\x00\x7f', '"tab\\t\\x00\\x7f"'],
    ['é日😀\u00a0\ufeff', '"é日😀\\u00a0\\ufeff"'],
    ['\udcc5', '"\\xc5"'],
  ])('quote %j', (text, want) => expect(quoteGo(text)).toBe(want))
})

describe('quantiles', () => {
  test.each([
    [0.5, [3, 1, 2], 2],
    [0.75, [1, 2], 1.75],
    [1, [NaN, 4], 4],
    [0, [NaN, 4], NaN],
    [-1, [1], -Infinity],
    [2, [1], Infinity],
    [0.5, [], NaN],
  ])('φ %d of %j', (phi, values, want) => expect(quantileOf(phi, Float64Array.from(values))).toBe(want))

  const buckets = (...counts: [number, number][]) => counts.map(([upperBound, count]) => ({ upperBound, count }))

  test('a classic histogram is interpolated, its last bucket not', () => {
    expect(bucketQuantile(0.5, buckets([1, 5], [2, 10], [Infinity, 20]))).toEqual({ value: 2 })
    expect(bucketQuantile(0.25, buckets([1, 5], [2, 10], [Infinity, 20]))).toEqual({ value: 1 })
    expect(bucketQuantile(0.99, buckets([1, 5], [2, 10], [Infinity, 20]))).toEqual({ value: 2 })
    expect(bucketQuantile(0.5, buckets([1, 5], [2, 10]))).toEqual({ value: NaN })
  })

  test('counts that fall are raised, and that is told', () => {
    const { forced } = bucketQuantile(0.5, buckets([1, 10], [2, 4], [3, 7], [Infinity, 20]))
    expect(forced).toEqual({ minBucket: 2, maxBucket: 3, maxDiff: 6 })
    expect(bucketQuantile(0.5, buckets([1, 10], [2, 10 - 1e-13], [Infinity, 20])).forced).toBeUndefined()
  })

  test('a fraction between bounds', () => {
    expect(bucketFraction(0, 1.5, buckets([1, 5], [2, 10], [Infinity, 20]))).toBe(0.375)
    expect(bucketFraction(-Infinity, Infinity, buckets([1, 5], [Infinity, 20]))).toBe(1)
    expect(bucketFraction(2, 1, buckets([1, 5], [Infinity, 20]))).toBe(0)
  })

  test('counts and bounds that are NaN do what they do to Go’s search and sort', () => {
    expect(bucketQuantile(0.2, buckets([1, 5], [2, NaN], [3, 15], [Infinity, 20]))).toEqual({ value: NaN })
    expect(bucketQuantile(0.5, buckets([1, 10], [NaN, 4], [Infinity, 20])).forced).toEqual({
      minBucket: Infinity,
      maxBucket: -Infinity,
      maxDiff: 6,
    })
    expect(bucketFraction(0, 1, buckets([NaN, 3], [Infinity, 20]))).toBe(1)
    const unsorted = buckets([2, 10], [3, 10], [NaN, 10], [4, 20], [5, 20], [Infinity, 20], [1, 8])
    expect(bucketFraction(0, 1, unsorted)).toBe(0.25)
  })

  test('φ = −0 is 0', () => expect(bucketQuantile(-0, buckets([1, 5], [Infinity, 20])).value).toBe(0))

  test('a fraction multiplies before it divides: its last digit, and what overflows', () => {
    expect(bucketFraction(0, 0.1, buckets([0.7, 3], [Infinity, 20]))).toBe(0.021428571428571432)
    expect(bucketFraction(1, 1e300, buckets([1, 5e16], [Infinity, 1e17]))).toBe(NaN)
    expect(bucketFraction(-2, -0.5, buckets([-1, 5], [0, 10], [Infinity, 20]))).toBe(0.125)
  })
})

describe('ranks', () => {
  const best = (size: number, less: typeof ascending, values: number[]) => {
    const heap = new ValueHeap(size, less)
    for (const [index, value] of values.entries()) heap.offer(value, index)
    return heap.sorted()
  }

  test.each([
    ['topk', ascending, [1, 3, 2], [1, 2]],
    ['bottomk', descending, [1, 3, 2], [0, 2]],
    ['topk: NaN goes last', ascending, [NaN, NaN, 2], [2, 0]],
    ['topk: the first of equals stays', ascending, [5, 5, 5], [0, 1]],
  ])('%s', (_, less, values, want) => expect(best(2, less, values)).toEqual(want))

  test.each([
    ['web-2', 'web-10', true],
    ['web-10', 'web-2', false],
    ['a', 'a1', true],
    ['a7', 'a007', true],
    ['b', 'a', false],
  ])('%s before %s: %s', (a, b, want) => expect(naturalLess(a, b)).toBe(want))
})

describe('dates', () => {
  test.each([
    [0, [1970, 1, 1, 31]],
    [1709164800, [2024, 2, 60, 29]],
    [-62135596800, [1, 1, 1, 31]],
    [1e13, [318857, 5, 140, 31]],
    [-1e13, [-314918, 8, 225, 31]],
    [NaN, [292277026596, 12, 339, 31]],
    [Infinity, [292277026596, 12, 339, 31]],
  ])('%d', (seconds, want) => {
    const date = wideDate(seconds)
    expect([yearOf(date), date.date.getUTCMonth() + 1, dayOfYear(date), daysInMonth(date)]).toEqual(want)
  })
})

describe('powers', () => {
  test.each([
    [1, NaN, 1],
    [-1, Infinity, 1],
    [2, -1074, 5e-324],
    [2, 1024, Infinity],
    [-2, 3, -8],
    [-8, 1 / 3, NaN],
    [9, 0.5, 3],
    [10, 308, 1.0000000000000006e308],
    [1.5e-200, 2, 0],
    [2 ** -600, 1.75, 2 ** -1050],
  ])('%d ^ %d', (base, exponent, want) => expect(pow(base, exponent)).toBe(want))

  test('log10 of powers of ten', () => expect(log10(1000)).toBe(3))
})
