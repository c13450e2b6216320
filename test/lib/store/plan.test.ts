// Merging wanted byte ranges into reads: a table, and the invariants on random ranges.
// Subject: lib/store/plan.ts. Owns nothing.
import { expect, test } from 'vitest'
import { planFurtherReads, planReads } from '../../../lib/store/plan.ts'
import { Random, seed } from '../../support/random.ts'

const limits = { maxGapBytes: 10, maxReadBytes: 100 }

function plan(ranges: readonly (readonly [number, number])[]): number[][] {
  const reads = planReads(
    ranges.map(([offset]) => offset),
    ranges.map(([, length]) => length),
    limits,
  )
  return reads.map(({ offset, length, first, end }) => [offset, length, first, end])
}

test.each<{ name: string; ranges: [number, number][]; want: number[][] }>([
  { name: 'nothing wanted, nothing read', ranges: [], want: [] },
  { name: 'one range is one read', ranges: [[5, 7]], want: [[5, 7, 0, 1]] },
  {
    name: 'neighbours are one read',
    ranges: [
      [0, 5],
      [5, 5],
    ],
    want: [[0, 10, 0, 2]],
  }, // prettier-ignore
  {
    name: 'a gap of the limit is read over',
    ranges: [
      [0, 5],
      [15, 5],
    ],
    want: [[0, 20, 0, 2]],
  },
  {
    name: 'a larger gap parts',
    ranges: [
      [0, 5],
      [16, 5],
    ],
    want: [
      [0, 5, 0, 1],
      [16, 5, 1, 2],
    ],
  },
  {
    name: 'overlapping ranges',
    ranges: [
      [0, 30],
      [10, 5],
      [20, 20],
    ],
    want: [[0, 40, 0, 3]],
  },
  {
    name: 'a range inside another does not shorten',
    ranges: [
      [0, 30],
      [1, 1],
      [35, 5],
    ],
    want: [[0, 40, 0, 3]],
  },
  {
    name: 'a read does not grow past its limit',
    ranges: [
      [0, 60],
      [60, 40],
      [100, 1],
    ],
    want: [
      [0, 100, 0, 2],
      [100, 1, 2, 3],
    ],
  },
  {
    name: 'a longer range is read whole',
    ranges: [
      [0, 500],
      [500, 1],
    ],
    want: [
      [0, 500, 0, 1],
      [500, 1, 1, 2],
    ],
  },
])('$name', ({ ranges, want }) => {
  expect(plan(ranges)).toEqual(want)
})

test(`random ranges: each lies in its read, no read is wider than its ranges, seed ${seed}`, () => {
  const random = new Random(seed)
  for (let round = 0; round < 200; round++) {
    const ranges: [number, number][] = Array.from({ length: random.u32() % 40 }, () => [
      random.u32() % 2000,
      1 + (random.u32() % 50),
    ])
    ranges.sort((a, b) => a[0] - b[0])
    let next = 0
    for (const [offset, length, first, end] of plan(ranges) as [number, number, number, number][]) {
      expect(first).toBe(next)
      next = end
      const inside = ranges.slice(first, end)
      expect(offset).toBe(inside[0]![0])
      expect(offset + length).toBe(Math.max(...inside.map(([at, size]) => at + size)))
    }
    expect(next).toBe(ranges.length)
  }
})

test('a call of many reads reads over wider gaps, whichever of its plans comes to be many', () => {
  const scattered = (count: number, everyBytes: number) => Array.from({ length: count }, (_, i) => i * everyBytes)
  const count = (wanted: readonly number[], before: number) => {
    const lengths = wanted.map(() => 4 << 10)
    return planFurtherReads(wanted, lengths, { maxGapBytes: 32 << 10, maxReadBytes: 4 << 20 }, before).length
  }
  expect(count(scattered(50, 100 << 10), 0)).toBe(50)
  expect(count(scattered(50, 100 << 10), 50)).toBe(2)
  expect(count(scattered(500, 100 << 10), 0)).toBeLessThan(15)
  // What lies a megabyte apart is not worth reading over.
  expect(count(scattered(500, 1 << 20), 0)).toBe(500)
})
