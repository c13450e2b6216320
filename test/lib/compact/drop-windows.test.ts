// Deleted times in downsampled series: windows that lie inside of them go from every aggregate, and counters go on as before.
import { expect, test } from 'vitest'
import { splitAggregates } from '../../../lib/chunkenc/aggregate.ts'
import { cutHistograms } from '../../../lib/chunkenc/cut-histograms.ts'
import { decodeHistogramChunk } from '../../../lib/chunkenc/decode-histogram.ts'
import { dropIntervals } from '../../../lib/chunkenc/drop-intervals.ts'
import { chunkEncoding } from '../../../lib/chunkenc/encoding.ts'
import { SeriesDownsampler } from '../../../lib/compact/downsample-series.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import type { BlockChunk } from '../../../lib/tsdb/block-writer.ts'
import { Random, seed } from '../../support/random.ts'
import { wildHistograms } from '../../support/wild-histograms.ts'

const kernels = createKernels()
const columns = kernels.columns()
const downsampler = new SeriesDownsampler(kernels)
const startMs = 1_699_920_000_000
const resolutions = [300_000, 3_600_000]

type Points = [timeMs: number, value: number][]

function pointsOf(chunks: readonly BlockChunk[], name: 'count' | 'sum' | 'min' | 'max'): Points {
  return chunks.flatMap(({ data }) => {
    columns.clear()
    kernels.decodeXor(splitAggregates(data)[name]!.data, columns)
    const values = columns.values()
    return [...columns.times()].map((time, i): [number, number] => [time, values[i]!])
  })
}

function counterOf(chunks: readonly BlockChunk[]): Map<number, number> {
  columns.clear()
  for (const { data } of chunks) kernels.decodeXor(splitAggregates(data).counter!.data, columns)
  kernels.applyResets(columns)
  const values = columns.values()
  return new Map([...columns.times()].map((time, i) => [time, values[i]!]))
}

function rawChunks(random: Random, resets: boolean): BlockChunk[] {
  columns.clear()
  let value = 0
  for (let i = 0; i < 3000; i++) {
    value = resets && random.chance(0.005) ? 0 : value + random.below(10)
    columns.push(startMs + i * 60_000 + 1234, value)
  }
  return Array.from({ length: 25 }, (_, i) => {
    const data = kernels.encodeXor(columns, i * 120, i * 120 + 120)
    const times = columns.times()
    return {
      minTime: times[i * 120]!,
      maxTime: times[i * 120 + 119]!,
      numSamples: 120,
      encoding: chunkEncoding.xor,
      data,
    }
  })
}

const drop = (chunks: readonly BlockChunk[], interval: { minTime: number; maxTime: number }) =>
  chunks.flatMap((chunk) => dropIntervals(chunk, [interval], kernels))

function intervalIn(random: Random): { minTime: number; maxTime: number } {
  const minTime = startMs - 1000 + random.below(170_000_000)
  return { minTime, maxTime: minTime + random.below(random.pick([100_000, 10_000_000, 100_000_000])) }
}

test.each(resolutions)(`floats at %i ms (SEED=${seed})`, (resolutionMs) => {
  const random = new Random(seed)
  for (let i = 0; i < 40; i++) {
    const resets = random.chance(0.5)
    const fiveMinutes = downsampler.fromRaw(rawChunks(random, resets))
    const chunks = resolutionMs === 300_000 ? fiveMinutes : downsampler.fromFiveMinutes(fiveMinutes)
    const interval = intervalIn(random)
    const isKept = (end: number) =>
      interval.minTime > Math.floor(end / resolutionMs) * resolutionMs || interval.maxTime < end
    const left = drop(chunks, interval)
    for (const name of ['count', 'sum', 'min', 'max'] as const)
      expect(pointsOf(left, name)).toEqual(pointsOf(chunks, name).filter(([end]) => isKept(end)))
    const before = counterOf(chunks)
    const after = counterOf(left)
    const ends = pointsOf(left, 'count').map(([end]) => end)
    if (!resets && ends.length > 0) {
      const offset = before.get(ends[0]!)! - after.get(ends[0]!)!
      for (const end of ends) expect(before.get(end)! - after.get(end)!).toBe(offset)
    }
    const values = ends.map((end) => after.get(end)!)
    expect(values).toEqual([...values].sort((a, b) => a - b))
  }
})

test(`histograms: the windows that are left are as they were (SEED=${seed})`, () => {
  const random = new Random(seed)
  const kind = random.pick(['counter', 'gauge'] as const)
  const options = { kind, integer: true, buckets: 'exponential', changing: false } as const
  const samples = wildHistograms(random, { ...options, startMs, stepMs: 60_000, samples: 1000 })
  const chunks = downsampler.fromRaw(cutHistograms(samples))
  const interval = { minTime: startMs + 7_200_000, maxTime: startMs + 30_000_000 }
  const left = drop(chunks, interval)
  for (const name of ['sum', 'counter'] as const) {
    const of = (some: readonly BlockChunk[]) =>
      some.flatMap(({ data }) => {
        const part = splitAggregates(data)[name]!
        return decodeHistogramChunk(part.encoding, part.data).map(({ timeMs, histogram }) => [timeMs, histogram.count])
      })
    const inside = ([end]: number[]) => end! - 299_999 >= interval.minTime && end! <= interval.maxTime
    expect(of(left)).toEqual(of(chunks).filter((point) => !inside(point)))
  }
  expect(drop(chunks, { minTime: 0, maxTime: Number.MAX_SAFE_INTEGER })).toEqual([])
})
