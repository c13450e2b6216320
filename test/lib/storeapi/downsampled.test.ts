// Series of raw and downsampled chunks, in any mixture and overlap, read as each function reads them: against the samples themselves.
// Subject: lib/storeapi/downsampled.ts. Samples never lie on a border of windows, so that a range of whole hours has whole windows.
import { describe, expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { DownsampledReader } from '../../../lib/storeapi/downsampled.ts'
import { fiveMinutesMs, oneHourMs, type Reading } from '../../../lib/storeapi/reading.ts'
import type { AggrChunk } from '../../../lib/storeapi/types.ts'
import { chunksAt, merged, type Point } from '../../support/downsampled-chunks.ts'
import { Random, seed } from '../../support/random.ts'

const kernels = createKernels()
const reader = new DownsampledReader(kernels)
const everything = {
  minTime: -1e15,
  maxTime: 1e15,
  maxResolutionMs: oneHourMs,
  dedup: 'chain',
  lookbackMs: undefined,
} as const
const resolutions = [0, fiveMinutesMs, oneHourMs]
const blockMs = 2 * oneHourMs

interface Read {
  readonly samples: Point[]
  readonly counts: Point[]
}

function read(chunks: readonly AggrChunk[], reading: Reading, query: Partial<typeof everything> = {}): Read {
  const [columns, counts] = [kernels.columns(), kernels.columns()]
  reader.read(chunks, { ...everything, ...query, reading }, { columns, histograms: [], counts })
  const points = ({ times, values }: { times: Float64Array; values: Float64Array }) =>
    Array.from(times, (time, i): Point => [time, values[i]!])
  const out = {
    samples: points({ times: columns.times(), values: columns.values() }),
    counts: points({ times: counts.times(), values: counts.values() }),
  }
  columns.free()
  counts.free()
  return out
}

/** A counter with resets at random, or a gauge; holes; a sample about every `stepMs`, off the borders of windows. */
function series(random: Random, hours: number, counter: boolean): Point[] {
  const stepMs = random.pick([7_000, 15_000, 60_000, 290_000])
  const samples: Point[] = []
  let value = random.below(1000)
  for (let time = random.below(stepMs); time < hours * oneHourMs; time += stepMs + random.below(100)) {
    if (random.chance(0.001)) time += random.below(blockMs)
    if (counter) value = random.chance(0.005) ? random.below(5) : value + random.below(20)
    else value = random.below(2000) - 1000
    if (time % fiveMinutesMs !== 0) samples.push([time, value])
  }
  return samples.filter(([time]) => time < hours * oneHourMs)
}

function inside(samples: readonly Point[], from: number, to: number): Point[] {
  return samples.filter(([time]) => time >= from && time < to)
}

/** Blocks from 0 to the end, each of one resolution, and others that overlap them: other resolutions of the same samples. */
function blocks(random: Random, samples: readonly Point[], hours: number): AggrChunk[] {
  const out: AggrChunk[][] = []
  for (let from = 0; from < hours * oneHourMs; ) {
    const to = from + blockMs * (1 + random.below(12))
    const own = inside(samples, from, to)
    // Of a chunk of one or two windows no one can tell the resolution.
    const long = new Set(own.map(([time]) => Math.floor(time / oneHourMs))).size > 2
    out.push(chunksAt(own, random.pick(long ? resolutions : [0, fiveMinutesMs])))
    if (random.chance(0.4)) {
      const start = Math.max(0, from - blockMs * random.below(4))
      const end = start + blockMs * (1 + random.below(8))
      out.push(chunksAt(inside(samples, start, end), random.pick([0, fiveMinutesMs])))
    }
    from = to
  }
  return merged(...out)
}

const sum = (points: readonly Point[]) => points.reduce((total, [, value]) => total + value, 0)

function increaseOf(points: readonly Point[]): number {
  let total = 0
  for (let i = 1; i < points.length; i++) {
    const [before, value] = [points[i - 1]![1], points[i]![1]]
    total += value >= before ? value - before : value
  }
  return total
}

function hasWindows(chunks: readonly AggrChunk[]): boolean {
  return chunks.some(({ raw }) => raw === undefined)
}

describe(`random seams (SEED=${seed})`, () => {
  test('counts and sums of whole hours are those of the samples, wherever resolutions meet or overlap', () => {
    const random = new Random(seed)
    for (let i = 0; i < 60; i++) {
      const samples = series(random, 48, false)
      const chunks = blocks(random, samples, 48)
      if (!hasWindows(chunks)) continue
      const totals = read(chunks, 'totals')
      const counts = read(chunks, 'counts').counts
      for (const [from, to] of [
        [0, 48],
        [3, 4],
        [10, 20],
        [random.below(24), 24 + random.below(24)],
      ] as const) {
        const want = inside(samples, from * oneHourMs, to * oneHourMs)
        const within = (points: readonly Point[]) => inside(points, from * oneHourMs, to * oneHourMs)
        expect(sum(within(counts))).toBe(want.length)
        expect(sum(within(totals.counts))).toBe(want.length)
        expect(sum(within(totals.samples))).toBeCloseTo(sum(want), 6)
        expect(sum(within(read(chunks, 'sum').samples))).toBeCloseTo(sum(want), 6)
      }
    }
  })

  test('smallest and largest of whole hours', () => {
    const random = new Random(seed + 1)
    for (let i = 0; i < 40; i++) {
      const samples = series(random, 30, false)
      const chunks = blocks(random, samples, 30)
      if (!hasWindows(chunks)) continue
      const [min, max] = [read(chunks, 'min').samples, read(chunks, 'max').samples]
      for (let hour = 0; hour < 30; hour++) {
        const of = (points: readonly Point[]) =>
          inside(points, hour * oneHourMs, (hour + 1) * oneHourMs).map(([, value]) => value)
        expect(Math.min(...of(min))).toBe(Math.min(...of(samples)))
        expect(Math.max(...of(max))).toBe(Math.max(...of(samples)))
      }
    }
  })

  test('times ascend, none twice', () => {
    const random = new Random(seed + 2)
    for (let i = 0; i < 40; i++) {
      const samples = series(random, 30, true)
      const chunks = blocks(random, samples, 30)
      if (!hasWindows(chunks)) continue
      for (const reading of ['average', 'min', 'sum', 'count', 'counter', 'resets'] as const) {
        const times = read(chunks, reading).samples.map(([time]) => time)
        expect(times.every((time, at) => at === 0 || time > times[at - 1]!)).toBe(true)
      }
    }
  })

  test('a counter never falls, and grows by what was counted, across resets, seams and overlaps', () => {
    const random = new Random(seed + 3)
    for (let i = 0; i < 60; i++) {
      const samples = series(random, 48, true)
      const chunks = blocks(random, samples, 48)
      if (!hasWindows(chunks)) continue
      const counter = read(chunks, 'counter').samples
      expect(counter.every(([, value], at) => at === 0 || value >= counter[at - 1]![1])).toBe(true)
      const end = counter.at(-1)![0]
      const known = samples.filter(([time]) => time <= end)
      expect(counter.at(-1)![1] - counter[0]![1]).toBeCloseTo(increaseOf(known), 6)
    }
  })
})

const minuteMs = 60_000

/** Whether an instant selector shows the series at each time. */
function shownAt(chunks: readonly AggrChunk[], times: readonly number[], lookbackMs = oneHourMs): boolean[] {
  const columns = kernels.columns()
  reader.read(chunks, { ...everything, reading: 'average', lookbackMs }, { columns, histograms: [] })
  const mark = kernels.mark()
  const shown = times.map((startMs) => {
    const row = kernels.row(1)
    kernels.lookback(columns, { startMs, stepMs: 1, count: 1 }, lookbackMs, row)
    return kernels.u8(row.presentPtr, 1)[0] === 1
  })
  kernels.release(mark)
  columns.free()
  return shown
}

const every = (stepMs: number, from: number, to: number): Point[] =>
  Array.from({ length: Math.ceil((to - from) / stepMs) }, (_, i) => [from + i * stepMs + 1, i])

describe('an instant selector', () => {
  const samples = every(15_000, 0, 40 * oneHourMs)

  test.each([
    [0, fiveMinutesMs],
    [fiveMinutesMs, 0],
    [0, oneHourMs],
    [oneHourMs, 0],
    [fiveMinutesMs, oneHourMs],
  ])('shows the series at any time across a seam of %i and %i ms', (before, after) => {
    const seam = 20 * oneHourMs
    const chunks = merged(chunksAt(inside(samples, 0, seam), before), chunksAt(inside(samples, seam, 1e15), after))
    const random = new Random(seed)
    const times = Array.from({ length: 2000 }, () => 2 * oneHourMs + random.below(37 * oneHourMs))
    const around = Array.from({ length: 500 }, (_, i) => seam - oneHourMs + i * 15_000)
    expect(shownAt(chunks, [...times, ...around]).every(Boolean)).toBe(true)
  })

  test('shows the series across borders of blocks of one resolution, where the last window ends early', () => {
    const [a, b] = [inside(samples, 0, 20 * oneHourMs), inside(samples, 20 * oneHourMs, 1e15)]
    const seam = 20 * oneHourMs
    const times = Array.from({ length: 2000 }, (_, i) => seam - oneHourMs / 2 + i * 4_000)
    for (const resolution of [fiveMinutesMs, oneHourMs]) {
      const chunks = merged(chunksAt(a, resolution), chunksAt(b, resolution))
      expect(shownAt(chunks, times).every(Boolean)).toBe(true)
    }
    const fine = merged(chunksAt(a, fiveMinutesMs), chunksAt(b, fiveMinutesMs))
    expect(shownAt(fine, times, 5 * minuteMs).every(Boolean)).toBe(true)
  })

  test('ends the lookback after the samples', () => {
    const last = 30 * oneHourMs - 15_000 + 1
    const own = inside(samples, 0, 30 * oneHourMs)
    for (const resolution of resolutions) {
      const chunks = merged(
        chunksAt(inside(own, 0, 20 * oneHourMs), oneHourMs),
        chunksAt(inside(own, 20 * oneHourMs, 1e15), resolution),
      )
      const minutes = [1, 59, 61].map((minute) => last + minute * minuteMs)
      expect(shownAt(chunks, minutes)).toEqual([true, true, false])
    }
  })

  test('shows holes longer than the lookback as holes', () => {
    const own = samples.filter(([time]) => time < 30 * oneHourMs || time >= 33 * oneHourMs)
    for (const resolution of resolutions) {
      const chunks = merged(
        chunksAt(inside(own, 0, 20 * oneHourMs), fiveMinutesMs),
        chunksAt(inside(own, 20 * oneHourMs, 1e15), resolution),
      )
      const times = [-1, 59, 61, 120].map((minute) => 30 * oneHourMs + minute * minuteMs)
      expect(shownAt(chunks, times)).toEqual([true, true, false, false])
    }
  })
})

test('two replicas with holes: windows of the one fill the holes of the other, none counts twice', () => {
  const random = new Random(seed)
  for (let i = 0; i < 20; i++) {
    const all = every(15_000, 0, 60 * oneHourMs)
    const holes = Array.from({ length: 2 }, () => random.below(28) * blockMs)
    const [a, b] = holes.map((from) => all.filter(([time]) => time < from || time >= from + blockMs)) as [
      Point[],
      Point[],
    ]
    const resolution = random.pick([fiveMinutesMs, oneHourMs])
    // Replicas start at their own time, so that their chunks have borders of their own.
    const start = (1 + random.below(10)) * oneHourMs
    const later = b.filter(([time]) => time >= start)
    const chunks = merged(chunksAt(a, resolution), chunksAt(later, resolution))
    const { counts } = read(chunks, 'counts')
    const both = new Set([...a, ...later].map(([time]) => time)).size
    expect(sum(counts)).toBe(both)
    const counter = read(chunks, 'counter').samples
    expect(counter.every(([, value], at) => at === 0 || value >= counter[at - 1]![1])).toBe(true)
    // Where a hole ends no sample of both may tell how far the other was: a sample's growth may be missing.
    const want = all.at(-1)![1] - Math.min(a[0]![1], later[0]![1])
    expect(Math.abs(counter.at(-1)![1] - counter[0]![1] - want)).toBeLessThan(2)
  }
})

test('resets: those between chunks, and that there was one in a chunk', () => {
  const [first, second] = [every(15_000, 0, 10 * oneHourMs), every(15_000, 10 * oneHourMs, 20 * oneHourMs)]
  const drops = (points: readonly Point[]) => points.filter(([, value], i) => i > 0 && value < points[i - 1]![1]).length
  const apart = merged(chunksAt(first, fiveMinutesMs), chunksAt(second, fiveMinutesMs))
  expect(drops(read(apart, 'resets').samples)).toBe(1)
  const inChunk = every(15_000, 0, 10 * oneHourMs).map(([time, value]): Point => [time, value % 1000])
  expect(drops(read(chunksAt(inChunk, fiveMinutesMs), 'resets').samples)).toBe(1)
  expect(drops(read(chunksAt(first, fiveMinutesMs), 'resets').samples)).toBe(0)
  const raw = merged(chunksAt(first, fiveMinutesMs), chunksAt(second, 0))
  expect(drops(read(raw, 'resets').samples)).toBe(1)
})
